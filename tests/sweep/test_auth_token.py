"""The token of clusters: made once, for its owner alone."""

import stat

import pytest

from sweep.auth_token import ensure_token, token_fault


def test_the_token_is_made_once_and_only_its_owner_reads_it(tmp_path):
    path = tmp_path / ".ray" / "auth_token"
    assert ensure_token(path)
    made = path.read_text()
    assert len(made) == 64
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not ensure_token(path)
    assert path.read_text() == made


def test_two_tokens_differ(tmp_path):
    for name in ("a", "b"):
        ensure_token(tmp_path / name / "auth_token")
    assert (tmp_path / "a" / "auth_token").read_text() != (
        tmp_path / "b" / "auth_token"
    ).read_text()


@pytest.mark.parametrize(
    ("text", "mode", "message"),
    [
        ("secret", 0o644, r"others may read this token \(mode 0644\); chmod 600"),
        ("", 0o600, "empty"),
    ],
)
def test_a_token_that_protects_nothing_is_refused(tmp_path, text, mode, message):
    path = tmp_path / "auth_token"
    path.write_text(text)
    path.chmod(mode)
    assert token_fault(path) is not None
    with pytest.raises(ValueError, match=message):
        ensure_token(path)
