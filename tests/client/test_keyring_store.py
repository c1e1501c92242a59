"""The system's keyring: what it keeps, and that nobody waits for it for ever."""

import pytest

from ringlet._client.keyring_store import SystemKeyring
from ringlet.errors import Action, Cure, RingletError


def test_a_stored_password_is_found_until_it_is_removed_even_twice(use_keyring):
    use_keyring("keyrings.InAFile")
    vault = SystemKeyring()
    assert vault.why_not() == ""
    assert vault.get("a name") is None
    vault.put("a name", "a secret")
    vault.put("another", "")
    assert (vault.get("a name"), vault.get("another")) == ("a secret", "")
    vault.remove("a name")
    vault.remove("a name")
    assert vault.get("a name") is None


@pytest.mark.parametrize("name", ["keyring.backends.fail.Keyring", "keyring.backends.null.Keyring"])
def test_a_system_without_a_keyring_is_detected_before_anything_is_stored(use_keyring, name):
    use_keyring(name)
    assert SystemKeyring().why_not() == "this system has no keyring"


def test_a_locked_keyring_is_given_up_with_a_way_out(use_keyring):
    use_keyring("keyrings.Locked")
    with pytest.raises(RingletError, match=r"did not answer in 0 seconds: it may be locked") as caught:
        SystemKeyring(timeout=0.05).get("a name")
    assert isinstance(caught.value.cure, Cure)
    assert (caught.value.cure.action, caught.value.cure.options) == (Action.SIGN_IN, {"store": "file"})


def test_a_keyring_failure_raises_an_error_that_does_not_quote_it(use_keyring):
    use_keyring("keyrings.Refusing")
    with pytest.raises(RingletError, match="the keyring refused: KeyringLocked") as caught:
        SystemKeyring().get("a name")
    assert "hush" not in str(caught.value) + caught.value.cure
