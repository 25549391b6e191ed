#!/usr/bin/env bash
# Makes the README's pictures, report.png and terminal.png, from a real run in a real terminal.
# Needs tmux, chromium and ImageMagick. From the root of an installed checkout: docs/images/make.sh
set -euo pipefail
images=$(cd "$(dirname "$0")" && pwd)
bin=$(cd "${VENV:-.venv}/bin" && pwd)
scratch=$(mktemp -d)
work=$scratch/my-project # the model is registered under the folder's name
mkdir "$work"
trap 'tmux kill-session -t pictures 2>/dev/null || true; rm -rf "$scratch"' EXIT

photograph() { # page, picture, width, height
  chromium --headless --no-sandbox --disable-gpu --hide-scrollbars --user-data-dir="$work/profile" \
    --blink-settings=preferredColorScheme=1 --window-size="$3,$4" --screenshot="$work/shot.png" "file://$1" 2>/dev/null
  convert "$work/shot.png" +dither -colors 96 -define png:compression-level=9 -strip "$2"
}

# The terminal: 100 columns, as tmux holds them when the run has ended.
tmux new-session -d -s pictures -x 100 -y 60 "cd $work && PATH=$bin:\$PATH; clear; ml-run quickstart; touch done; sleep 60"
until [ -e "$work/done" ]; do sleep 1; done
tmux capture-pane -p -e -t pictures > "$work/screen.ansi"
"$bin/python" - "$work" <<'END'
import re
import sys
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import SVG_EXPORT_THEME
from rich.text import Text

work = Path(sys.argv[1])
screen = (work / "screen.ansi").read_text("utf-8").rstrip()
screen = re.sub(r"\x1b\[(?:0;)?2m", "\x1b[38;5;250m", screen)  # dim is too dark on paper
screen = Text.from_ansi(f"$ ml-run quickstart\n{screen}")
console = Console(record=True, width=100, file=open("/dev/null", "w"), force_terminal=True)
console.print(screen)
style = "html, body { margin: 0; background: #292929 !important; } pre { margin: 16px; font: 14px/1.3 'DejaVu Sans Mono', monospace !important; }"
page = console.export_html(theme=SVG_EXPORT_THEME, inline_styles=True).replace("</head>", f"<style>{style}</style></head>")
(work / "terminal.html").write_text(page, "utf-8")
(work / "lines").write_text(str(len(screen.plain.splitlines())))
END
photograph "$work/terminal.html" "$images/terminal.png" 880 $((32 + 19 * $(cat "$work/lines")))

# The report, from its top.
photograph "$(ls "$work"/experiments/exp_*/report.html)" "$images/report.png" 920 1180
ls -l "$images"/*.png
