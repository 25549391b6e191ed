"""The table of languages that data.language may name."""

import subprocess
import sys

from ml_run.config.language_codes import find_language, languages, nearest_languages
from ml_run.config.names import known_profiles

JOKES = {"tlh", "zzp", "xx-Bugi", "xx-Goth"}
NO_LANGUAGE = {"zxx"}


def test_the_table_is_what_pycld2_can_answer():
    """Each language that pycld2 detects is in the table under the code that it answers, and no other."""
    import pycld2

    detected = {code for name, code in pycld2.LANGUAGES if name in pycld2.DETECTED_LANGUAGES} - JOKES
    assert {code for one in languages().values() for code in one.pycld2} == detected


def test_the_table_is_what_py3langid_can_answer():
    """Each label of py3langid's bundled model is in the table, and no other."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    labels = set(LanguageIdentifier.from_model_file(MODEL_FILE).labels) - NO_LANGUAGE
    assert {code for one in languages().values() for code in one.py3langid} == labels


def test_each_profile_has_a_row():
    """A language with a profile can always be named in the config, and by either ISO code."""
    for code in known_profiles():
        assert code in languages()


def test_a_language_goes_by_each_of_its_codes():
    """ISO 639-1, 639-3, parts of a macrolanguage and regional variants lead to one row; no code leads to two."""
    for code in ("om", "orm", "gaz", "hae", "om-ET", "om-Latn-ET"):
        assert find_language(code).name == "Oromo"
    assert find_language("iw") == find_language("he")
    assert find_language("xx") is None
    for one in languages().values():
        assert all(find_language(code) is one for code in (one.code, one.iso639_3, *one.also))


def test_relatives_are_mutual():
    """What is too near to be told apart is so in both directions, and names a row of the table."""
    for one in languages().values():
        assert all(one.code in languages()[other].near for other in one.near)


def test_names_lead_to_codes():
    """Somebody who writes the name, or nearly, is shown the code."""
    assert nearest_languages("somali")[0] == "so (Somali)"
    assert nearest_languages("oroma")[0] == "om (Oromo)"
    assert nearest_languages("xyz") == []


def test_the_config_check_loads_no_identifier():
    """A config is checked before anything heavy is loaded, languages included."""
    code = (
        "import sys; from ml_run.config.language_codes import find_language; assert find_language('som');"
        "print(sorted({'numpy', 'py3langid', 'pycld2'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
