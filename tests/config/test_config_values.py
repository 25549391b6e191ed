"""Single values: each is read as its key wants it, whatever YAML or the shell make of it."""

import pytest

from config_harness import GATE, config_text, faults, load
from ml_run.config.schema import sections

NOTHING = "has no value | give a whole number from 1 to 1000, or auto, or remove the key"
NO_NAME = "holds ${, but not the name of an environment variable | write ${NAME}, or $${ for a plain ${"
NEEDS = "needs the environment variable PW"


class TestTypes:
    @pytest.mark.parametrize(
        ("written", "value"),
        [("2e-5", 2e-5), ("2E-05", 2e-5), ("0.00002", 2e-5), (".5", 0.5), ("1", 1.0), ("+1.0e-3", 1e-3), ("1.", 1.0)],
    )
    def test_numbers(self, here, written, value):
        """A number is read as people write it, whichever YAML version would call it a text."""
        read = load(config_text(rest=f"training: {{learning_rate: {written}}}\n")).config.training.learning_rate
        assert (read, type(read)) == (value, float)

    @pytest.mark.parametrize(
        ("key", "written", "shown", "remedy"),
        [
            ("epochs", '"5"', 'is "5", a text', "write it without quotes: 5"),
            ("epochs", "true", "is true", "it must be a whole number from 1 to 1000, or auto"),
            ("epochs", "5.0", "is 5.0", "it must be a whole number from 1 to 1000, or auto; write 5"),
            ("epochs", "1e1", "is 1e1", "it must be a whole number from 1 to 1000, or auto; write 10"),
            ("epochs", "012", "is 012", "it must be a whole number from 1 to 1000, or auto; write 12"),
            ("epochs", "1_000", "is 1_000", "it must be a whole number from 1 to 1000, or auto; write 1000"),
            ("epochs", "0x10", "is 0x10", "it must be a whole number from 1 to 1000, or auto"),
            ("epochs", "9" * 30, f"is {'9' * 30}", "it must be a whole number from 1 to 1000, or auto"),
            ("epochs", "1001", "is 1001", "it must be a whole number from 1 to 1000, or auto"),
            ("epochs", "", *NOTHING.split(" | ")),
            ("epochs", "null", *NOTHING.split(" | ")),
            ("epochs", "[3]", "is [3]", "it must be a whole number from 1 to 1000, or auto"),
            ("learning_rate", "nan", "is nan", "it must be a number above 0 and at most 1"),
            ("learning_rate", ".inf", "is .inf", "it must be a number above 0 and at most 1"),
            ("max_grad_norm", "1e999", "is 1e999", "it must be a number above 0 and at most 1000"),
            ("learning_rate", '"2e-5"', 'is "2e-5", a text', "write it without quotes: 2e-5"),
            ("learning_rate", "0,1", "is 0,1", "it must be a number above 0 and at most 1; write 0.1"),
            ("learning_rate", "0", "is 0", "it must be a number above 0 and at most 1"),
            ("class_weights", "true", "is true", "it must be one of none, balanced"),
        ],
    )
    def test_wrong_values(self, here, key, written, shown, remedy):
        """A value of the wrong type or out of bounds is shown as written, with what it must be."""
        found = faults(config_text(rest=f"training:\n  {key}: {written}\n"))
        assert found == [f"ml_config.yaml:6 | training.{key} {shown} | {remedy}"]

    @pytest.mark.parametrize(
        ("written", "value"),
        [("yes", True), ("True", True), ("on", True), ("off", False), ("NO", False), ("false", False)],
    )
    def test_booleans(self, here, written, value):
        """A switch takes the words that YAML takes."""
        assert (
            load(config_text(rest=f"gate: {{must_beat_baseline: {written}}}")).config.gate.must_beat_baseline is value
        )

    @pytest.mark.parametrize("written", ["maybe", "1", '"true"', "yEs"])
    def test_no_booleans(self, here, written):
        """A switch takes nothing else."""
        assert len(faults(config_text(rest=f"gate: {{must_beat_baseline: {written}}}"))) == 1

    def test_labels_stay_the_text_that_was_written(self, here):
        """YAML would make false, 10, 1000, a date, null and a float of these labels; they stay text."""
        label_map = "label_map: {no: Negative, off: on, 012: 1_000, 2026-11-23: 2e-5, 1: null, y: 0x1F, '': Yes}"
        assert load(config_text(label_map)).config.data.label_map == {
            "no": "Negative",
            "off": "on",
            "012": "1_000",
            "2026-11-23": "2e-5",
            "1": "null",
            "y": "0x1F",
            "": "Yes",
        }

    def test_severities(self, here):
        """`off` is the word, not false; another severity is a fault that names the four."""
        assert load(config_text("checks: {leak_exact: off}")).config.data.checks == {"leak_exact": "off"}
        assert faults(config_text("checks:\n  leak_exact: fatal\n  bom: no")) == [
            "ml_config.yaml:4 | data.checks.leak_exact is fatal | it must be one of error, warning, info, off",
            "ml_config.yaml:5 | data.checks.bom is no | it must be one of error, warning, info, off",
        ]

    def test_text_fields(self, here):
        """One field or a list of fields may hold the text; an empty list may not."""
        assert load(config_text("text_field: title")).config.data.text_field == "title"
        assert load(config_text("text_field: [title, no]")).config.data.text_field == ("title", "no")
        assert faults(config_text("text_field: []")) == [
            "ml_config.yaml:3 | data.text_field is [] | it must be text or a list, each text"
        ]

    def test_null_is_the_default_where_there_may_be_no_value(self, here):
        """An optional key may be written as null or left empty."""
        config = load(config_text("val_path: null\ntest_path:\nlabel_map:\n  # north: Northern")).config
        assert (config.data.val_path, config.data.test_path, config.data.label_map) == (None, None, {})

    @pytest.mark.parametrize("written", ["[a]", "", "*a", "{a: b}", "~"])
    def test_an_ill_typed_key_is_not_missing(self, here, written):
        """A required key whose value cannot be read has one fault."""
        (found,) = faults(f"data: {{train_path: data/final/train.jsonl}}\nmodel:\n  name: {written}\n")
        assert found.startswith("ml_config.yaml:3 | ")

    @pytest.mark.parametrize("written", ["val_share: 2", "train_path: ' x'", "val_path: ' data/final/train.jsonl'"])
    def test_nothing_follows_from_a_value_at_fault(self, here, written):
        """A value out of bounds is one fault: no contradiction, no missing file is concluded from it."""
        text = config_text(written)
        if "train_path" in written:
            text = text.replace("  train_path: data/final/train.jsonl\n", "", 1)
        assert len(faults(text)) == 1

    @pytest.mark.parametrize("written", ['" "', '"a\\tb"', '"a\\0b"', '""'])
    def test_texts_of_one_line(self, here, written):
        """A blank text, and one with control characters, is refused; the message stays on one line."""
        (found,) = faults(config_text(rest=f"registry:\n  name: x\ntracking:\n  experiment: {written}\n"))
        assert found.startswith("ml_config.yaml:8 | tracking.experiment is ")
        assert found.isprintable()

    def test_section_that_is_no_section(self, here):
        """A section that holds a value instead of keys is one fault: its keys are not called missing."""
        (found,) = faults("data: {train_path: data/final/train.jsonl}\nmodel: scratch:tiny\n")
        remedy = f"indent its keys below it: {', '.join(sections()['model'])}"
        assert found == f"ml_config.yaml:2 | model is scratch:tiny, not a section with keys | {remedy}"
        assert faults(config_text(rest="registry: my-model")) == [
            "ml_config.yaml:5 | registry is my-model, not a section with keys | indent its keys below it: name"
        ]


class TestEnvironment:
    def test_fills_values(self, here):
        """${NAME} is replaced in texts and numbers, quoted or not; $${ is a plain ${."""
        environ = {"USER_": "ali", "PW": "hemmelig", "N": "3"}
        rest = GATE + "tracking: {uri: 'postgresql://${USER_}:${PW}@h/db', experiment: '$${PW} $PW {x}'}\n"
        config = load(config_text(rest=rest + "training:\n  epochs: ${N}\n"), environ=environ).config
        assert config.tracking.uri == "postgresql://ali:hemmelig@h/db"
        assert config.tracking.experiment == "${PW} $PW {x}"
        assert config.training.epochs == 3

    @pytest.mark.parametrize(
        ("written", "environ", "fault"),
        [
            ("${PW}", {}, f"tracking.uri {NEEDS}, which is not set | set it: export PW=…"),
            ("a${PW}", {"PW": ""}, f"tracking.uri {NEEDS}, which is empty | set it: export PW=…"),
            ("${PW", {"PW": "x"}, f"tracking.uri {NO_NAME}"),
            ("${PW:-x}", {"PW": "x"}, f"tracking.uri {NO_NAME}"),
        ],
    )
    def test_faults(self, here, written, environ, fault):
        """A variable that is not set, and what is no name of one, is a fault with its line."""
        found = faults(config_text(rest=f"tracking:\n  uri: '{written}'\n"), environ=environ)
        assert found == [f"ml_config.yaml:6 | {fault}"]

    def test_a_number_from_the_environment_is_not_repeated(self, here):
        """What the environment brings in is not shown, even where a number was expected."""
        (found,) = faults(config_text(rest="training:\n  epochs: ${N}\n"), environ={"N": "1_234"})
        assert found == "ml_config.yaml:6 | training.epochs is ${N} | it must be a whole number from 1 to 1000, or auto"

    @pytest.mark.parametrize("value", ["no", "012", "null", "2e-5", "a: b", "[x]", "*x"])
    def test_a_filled_text_stays_text(self, here, value):
        """What the environment brings in is never read as YAML."""
        text = config_text(rest=GATE + "tracking:\n  experiment: ${X}\n")
        assert load(text, environ={"X": value}).config.tracking.experiment == value


class TestOverrides:
    def test_go_over_the_file(self, here):
        """--set replaces and adds keys, with the file's own strictness; the last of two wins."""
        config = load(
            config_text("checks: {bom: off}\nlabel_map: {a: b}"),
            "training.epochs=7",
            "training.epochs=8",
            "training.learning_rate=3e-4",
            "data.text_field=[title, body]",
            "data.checks.leak_exact=info",
            "data.label_map.v1.0=first",
            "data.val_path=null",
            "registry.name=no",
        ).config
        assert (config.training.epochs, config.training.learning_rate) == (8, 3e-4)
        assert config.data.text_field == ("title", "body")
        assert config.data.checks == {"bom": "off", "leak_exact": "info"}
        assert config.data.label_map == {"a": "b", "v1.0": "first"}
        assert config.registry.name == "no"

    @pytest.mark.parametrize("override", ["data.label_map.a\udcff=b", "data.label_map.a=b\udcff"])
    def test_bytes_that_are_no_text(self, here, override):
        """An argument with bytes that are not UTF-8 is refused: no record and no config.yaml could hold them."""
        (fault,) = faults(config_text(), override)
        assert fault.endswith(" | holds the unprintable character '\\udcff' | remove it")

    @pytest.mark.parametrize(
        ("override", "fault"),
        [
            ("training.epochs=x", "training.epochs is x | it must be a whole number from 1 to 1000, or auto"),
            ("training.epochs=0", "training.epochs is 0 | it must be a whole number from 1 to 1000, or auto"),
            ("training.epochs=", f"training.epochs {NOTHING}"),
            ("training.epoch=3", "training.epoch is not a known key | did you mean epochs?"),
            ("trainin.epochs=3", "trainin is not a known key | did you mean training?"),
            ("training.epochs", "is not section.key=value | for instance: --set training.epochs=3"),
            ("epochs=3", "is not section.key=value | for instance: --set training.epochs=3"),
            ("=3", "is not section.key=value | for instance: --set training.epochs=3"),
            ("data.label_map={a: b}", "is a mapping | set one key at a time: --set data.label_map.NAME=VALUE"),
            ("model.name.x=1", "name holds no keys | set name itself, or mend it in the file"),
            ("training.epochs=!!int 3", "tags are not read, here !!int | remove the tag"),
            ("training.epochs=*a", "aliases (*name) are not read | write the value out"),
            (
                "data.val_path=x.csv",
                "data.val_path is x.csv: there is no such file | {here} holds data, ml_config.yaml",
            ),
        ],
    )
    def test_faults(self, here, override, fault):
        """A fault of --set is told with the words that were typed."""
        (found, *_) = faults(config_text(), override)
        assert found == f"--set {override} | {fault.format(here=here)}"

    def test_come_after_the_file(self, here):
        """Faults of the command line follow those of the file, in the order they were typed."""
        found = faults(config_text(rest="training: {seed: -1}"), "training.epochs=0", "gate.max_ece=2")
        assert [line.split(" | ")[0] for line in found] == [
            "ml_config.yaml:5",
            "--set training.epochs=0",
            "--set gate.max_ece=2",
        ]

    def test_where(self, here):
        """Later stages can name the line of a key, of its section, or the file."""
        loaded = load(config_text(model="num_labels: 3"), "training.epochs=7")
        assert loaded.where("model.num_labels") == "ml_config.yaml:5"
        assert loaded.where("model.max_length") == "ml_config.yaml:3"
        assert loaded.where("gate.max_ece") == "ml_config.yaml"
        assert loaded.where("training.epochs") == "--set training.epochs=7"
        assert loaded.where("data.label_map.north") == "ml_config.yaml:1"
