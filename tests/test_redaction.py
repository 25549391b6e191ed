"""Secrets are used, never shown."""

import pytest

from config_harness import GATE, config_text, faults, load
from ml_run.redaction import mask_uris, redact, uri_passwords


class TestSecrets:
    """R38: secrets are used, never shown."""

    URI = "postgresql+psycopg2://ali:p%40ssw0rd@host:5432/db?sslpassword=t0psecret"
    HIDDEN = ("p%40ssw0rd", "p@ssw0rd", "t0psecret", "hemmelig-token")

    def text(self, rest=""):
        return config_text(rest=GATE + f"tracking:\n  uri: {self.URI}\n  experiment: x ${{TOKEN}}\n{rest}")

    def test_r38_loaded(self, here):
        """A password in a URI and a value from the environment are in no repr and not in the kept file."""
        loaded = load(self.text(), environ={"TOKEN": "hemmelig-token"})
        assert loaded.config.tracking.uri == self.URI
        assert loaded.config.tracking.experiment == "x hemmelig-token"
        assert set(loaded.secrets) == set(self.HIDDEN)
        shown = f"{loaded!r} {loaded} {loaded.config!r} {loaded.warnings} {loaded.resolved_yaml}"
        assert not [secret for secret in self.HIDDEN if secret in shown]
        assert "  uri: postgresql+psycopg2://ali:***@host:5432/db?sslpassword=***\n" in loaded.resolved_yaml
        assert "  experiment: x ${TOKEN}\n" in loaded.resolved_yaml
        said = "holds a password in plain text; a resumed run will ask for it: write ${NAME} in its place"
        assert loaded.warnings == (f"ml_config.yaml:7: tracking.uri {said}",)

    @pytest.mark.parametrize(
        "broken",
        [
            "registry: postgresql://ali:p%40ssw0rd@host/db",
            "registry: {name: 'postgresql://ali:p%40ssw0rd@host/db ${TOKEN}'}",
            "training: {epochs: '${TOKEN}'}",
            "training:\n  epochs: ${TOKEN}",
            "training:\n  epochs: hemmelig-token",
            "gate: {max_ece: [postgresql://ali:p%40ssw0rd@host/db, '${TOKEN}']}",
            "hemmelig-token: 1",
        ],
    )
    def test_r38_faults(self, here, broken):
        """No fault shows a secret, wherever it was written by mistake."""
        found = "".join(faults(self.text(broken), environ={"TOKEN": "hemmelig-token"}))
        assert found
        assert not [secret for secret in self.HIDDEN if secret in found]

    def test_r38_command_line(self, here):
        """A password typed into --set is in no fault and in no place."""
        override = f"tracking.uri={self.URI}"
        assert "ssw0rd" not in "".join(faults(config_text(), override, "tracking.url=postgresql://a:p%40ssw0rd@b"))
        loaded = load(config_text(), override)
        assert loaded.where("tracking.uri").startswith("--set tracking.uri=postgresql+psycopg2://ali:***@host")

    def test_r38_syntax_errors(self, here):
        """A file that is not YAML is told without its content."""
        found = "".join(faults("tracking:\n  uri: 'postgresql://ali:p%40ssw0rd@host/db\n"))
        assert "is not YAML" in found
        assert "ssw0rd" not in found

    def test_r38_equal_keys(self, here):
        """An address that landed among the keys is masked, also when the rest of the file cannot be read."""
        (found, _) = faults("postgresql://a:p%40ssw0rd@b: 1\npostgresql://a:p%40ssw0rd@b: 2\nc: 'x\n")
        assert found.startswith("ml_config.yaml:2 | 'postgresql://a:***@b' is given twice")

    def test_tokens_of_the_environment(self, here):
        """Tokens and addresses that the libraries take from the environment are known as secrets, too."""
        environ = {"HF_TOKEN": "hf_abcdef", "MLFLOW_TRACKING_URI": "https://ali:hunter22@host", "OTHER": "x"}
        assert set(load(config_text(), environ=environ).secrets) == {"hf_abcdef", "hunter22"}

    def test_a_masked_password_must_come_from_elsewhere(self, here):
        """A kept config whose password was masked says where it must come from, and takes it from there."""
        kept = load(self.text(), environ={"TOKEN": "hemmelig-token"}).resolved_yaml
        (found,) = faults(kept, environ={"TOKEN": "hemmelig-token"})
        assert found.endswith(
            "| tracking.uri has *** in place of its password "
            "| set MLFLOW_TRACKING_URI to the whole address, or write ${NAME} in place of the password"
        )
        environ = {"TOKEN": "hemmelig-token", "MLFLOW_TRACKING_URI": self.URI}
        assert load(kept, environ=environ).config.tracking.uri is None


class TestUris:
    @pytest.mark.parametrize(
        ("uri", "masked", "passwords"),
        [
            ("postgresql://u:pw@h/db", "postgresql://u:***@h/db", ["pw"]),
            ("postgresql+psycopg2://u:p@s/s@h:1/db", "postgresql+psycopg2://u:***@h:1/db", ["p@s/s"]),
            ("postgresql://u:1234/s@h:1/db", "postgresql://u:***@h:1/db", ["1234/s"]),
            ("https://u:p@h:8080/x", "https://u:***@h:8080/x", ["p"]),
            ("mysql://:pw@h", "mysql://:***@h", ["pw"]),
            ("https://token@h/x", "https://***@h/x", ["token"]),
            ("postgresql://h/db?password=pw&x=1", "postgresql://h/db?password=***&x=1", ["pw"]),
            ("https://h/x?X-Amz-Signature=ab12&n=1", "https://h/x?X-Amz-Signature=***&n=1", ["ab12"]),
            ("https://h/x?sv=1&sig=ab12", "https://h/x?sv=1&sig=***", ["ab12"]),
            ("https://h/x?x-api-key=ab12", "https://h/x?x-api-key=***", ["ab12"]),
            ("postgresql://h/db?sslkey=/c.pem&passfile=/p", "postgresql://h/db?sslkey=/c.pem&passfile=/p", []),
            ("postgresql://u:a%2Fb@h", "postgresql://u:***@h", ["a%2Fb", "a/b"]),
            ("postgresql://u:${PW}@h", "postgresql://u:${PW}@h", []),
            ("postgresql://u:x${PW}@h", "postgresql://u:***@h", ["x${PW}"]),
            ("postgresql://u:***@h", "postgresql://u:***@h", []),
            ("postgresql://u@h/db", "postgresql://u@h/db", []),
            ("https://h:8080/x@y", "https://h:8080/x@y", []),
            ("sqlite:///a:b@c.db", "sqlite:///a:b@c.db", []),
            ("a@b.so: no address", "a@b.so: no address", []),
        ],
    )
    def test_passwords(self, uri, masked, passwords):
        """Passwords and tokens of an address are found and masked; ports, users and placeholders are none."""
        assert mask_uris(f"see {uri} there") == f"see {masked} there"
        assert uri_passwords(uri) == passwords

    def test_redact(self):
        """Known secrets are masked, the longest first; one of three letters would mask half the message."""
        assert redact("abcdef abcd abc https://u:p@h", ["abc", "abcd", "abcdef"]) == "*** *** abc https://u:***@h"
