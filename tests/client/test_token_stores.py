"""Where a grant is kept: what is stored, what survives a kill, and who may renew."""

import errno
import os
import stat
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from time import sleep

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ringlet._client.sign_ins import SignIn
from ringlet._oauth.grant import Tokens
from ringlet._oauth.renewal import TokenStore
from ringlet.client import FileTokenStore, MemoryTokenStore
from ringlet.errors import RingletError

from .. import forked

OLD_TOKENS = Tokens(access_token="old", refresh_token="once")
NEW_TOKENS = Tokens(access_token="new", refresh_token="twice")
TOKENS = st.builds(
    Tokens,
    access_token=st.text(),
    refresh_token=st.none() | st.text(),
    expires_in=st.none() | st.integers(0, 10**9),
    scope=st.text(),
    token_url=st.text(),
)

posix_only = pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tokens" / "default.json"


def child(code: str, path: Path) -> "subprocess.Popen[str]":
    """Another process, with a token_store on the same path."""
    start = "import os, signal, sys; from pathlib import Path; from ringlet.client import FileTokenStore; "
    start += "from ringlet._oauth.grant import Tokens; token_store = FileTokenStore(Path(sys.argv[1])); "
    return forked.start(["-c", start + code, path], stdin=subprocess.PIPE)


# --- Keeping ---


@pytest.mark.parametrize("kind", ["memory", "file"])
def test_a_new_wallet_is_empty_and_then_holds_what_was_saved_last(kind: str, path: Path) -> None:
    token_store: TokenStore = MemoryTokenStore() if kind == "memory" else FileTokenStore(path)
    assert token_store.load() is None
    for tokens in (OLD_TOKENS, NEW_TOKENS):
        token_store.save(tokens)
        assert token_store.load() == tokens


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(TOKENS)
def test_tokens_survive_the_file(path: Path, tokens: Tokens) -> None:
    FileTokenStore(path).save(tokens)
    assert FileTokenStore(path).load() == tokens


def test_what_another_wallet_saved_is_seen_at_once(path: Path) -> None:
    mine, theirs = FileTokenStore(path), FileTokenStore(path)
    for tokens in (OLD_TOKENS, NEW_TOKENS, OLD_TOKENS):
        theirs.save(tokens)
        assert mine.load() == tokens


@posix_only
def test_only_the_owner_can_read_the_file_its_folder_and_its_lock(path: Path) -> None:
    token_store = FileTokenStore(path)
    token_store.save(OLD_TOKENS)
    token_store.save(NEW_TOKENS)
    assert token_store.claim()
    token_store.release()
    for file in path.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_saving_leaves_nothing_beside_the_file(path: Path) -> None:
    token_store = FileTokenStore(path)
    token_store.save(OLD_TOKENS)
    token_store.save(NEW_TOKENS)
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@pytest.mark.slow
@posix_only
def test_a_process_killed_between_writing_and_renaming_leaves_the_old_tokens_whole(path: Path) -> None:
    FileTokenStore(path).save(OLD_TOKENS)
    kill = "Path.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL); "
    with child(kill + "token_store.save(Tokens(access_token='new'))", path) as killed:
        assert killed.wait() != 0
    assert FileTokenStore(path).load() == OLD_TOKENS
    FileTokenStore(path).save(NEW_TOKENS)
    assert FileTokenStore(path).load() == NEW_TOKENS


def test_a_save_that_fails_leaves_the_old_tokens_and_no_litter(path: Path) -> None:
    token_store = FileTokenStore(path)
    token_store.save(OLD_TOKENS)
    with pytest.raises(TypeError):
        token_store.save(msgspec.structs.replace(NEW_TOKENS, scope=object()))
    assert token_store.load() == OLD_TOKENS
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"{}", b'{"access_token": 7}', b"hush\xff", b'{"access_token": "\xff"}']
)
def test_a_file_that_is_none_of_ours_is_a_clear_error(path: Path, content: bytes) -> None:
    FileTokenStore(path).save(OLD_TOKENS)
    path.write_bytes(content)
    with pytest.raises(RingletError, match="is not a valid token file") as caught:
        FileTokenStore(path).load()
    assert str(path) in str(caught.value)
    assert "hush" not in str(caught.value)
    assert caught.value.cure


@posix_only
def test_every_folder_that_had_to_be_made_is_its_owner_s_alone(tmp_path: Path) -> None:
    upper = tmp_path / "a"
    for at, act in enumerate((lambda it: it.save(OLD_TOKENS), FileTokenStore.claim)):
        folder = upper / f"b{at}" / "c"
        act(FileTokenStore(folder / "default.json"))
        for made in (upper, folder.parent, folder):
            assert stat.S_IMODE(made.stat().st_mode) == 0o700


def test_a_disk_that_refuses_is_an_error_that_names_the_path_and_a_way_out(path: Path) -> None:
    path.mkdir(parents=True)
    (path / "in the way").touch()
    token_store = FileTokenStore(path)
    for act, words in (
        (token_store.load, "cannot be read"),
        (lambda: token_store.save(NEW_TOKENS), "cannot be written"),
        (token_store.delete, "cannot be deleted"),
    ):
        with pytest.raises(RingletError, match=words) as caught:
            act()
        assert str(path) in str(caught.value)
        assert caught.value.cure
    assert [file.name for file in path.parent.iterdir()] == [path.name], "and leaves no litter"


def test_forgotten_tokens_are_gone_even_twice(path: Path) -> None:
    token_store = FileTokenStore(path)
    token_store.save(OLD_TOKENS)
    token_store.delete()
    token_store.delete()
    assert token_store.load() is FileTokenStore(path).load() is None


# --- Renewing: one at a time ---

STORE_PAIRS: dict[str, Callable[[Path], tuple[TokenStore, TokenStore]]] = {
    "one memory": lambda path: (MemoryTokenStore(),) * 2,  # type: ignore[return-value]  # the same one twice
    "one file, one token_store": lambda path: (FileTokenStore(path),) * 2,  # type: ignore[return-value]  # the same
    "one file, two token_stores": lambda path: (FileTokenStore(path), FileTokenStore(path)),
}


@pytest.mark.parametrize("two", STORE_PAIRS.values(), ids=STORE_PAIRS)
def test_a_claim_excludes_until_it_is_released(
    two: Callable[[Path], tuple[TokenStore, TokenStore]], path: Path
) -> None:
    mine, theirs = two(path)
    for _ in range(3):
        assert mine.claim()
        assert not theirs.claim()
        assert not theirs.claim()
        mine.release()
        assert theirs.claim()
        assert not mine.claim()
        theirs.release()


@pytest.mark.parametrize("two", STORE_PAIRS.values(), ids=STORE_PAIRS)
def test_of_many_threads_one_at_a_time_holds_the_claim(
    two: Callable[[Path], tuple[TokenStore, TokenStore]], path: Path
) -> None:
    """Each reads a counter and writes it back; were two inside at once, a step would be lost."""
    token_stores, threads, rounds = two(path), 4, 25
    start, count = Barrier(threads), [0]

    def work(token_store: TokenStore) -> None:
        start.wait()
        for _ in range(rounds):
            while not token_store.claim():
                sleep(0)
            seen = count[0]
            token_store.load()
            count[0] = seen + 1
            token_store.release()

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, [*token_stores, *token_stores]))
    assert count == [threads * rounds]


def test_a_claim_excludes_other_processes_and_ends_with_its_process(path: Path) -> None:
    token_store = FileTokenStore(path)
    with child("print(token_store.claim(), flush=True); sys.stdin.read()", path) as other:
        assert other.stdout
        assert other.stdout.readline() == "True\n"
        assert not token_store.claim()
        other.kill()
        other.wait()
        assert token_store.claim(), "nobody had to clean up"
    with child("print(token_store.claim(), flush=True)", path) as another:
        assert another.communicate()[0] == "False\n"
    token_store.release()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform does not fork")
def test_a_claim_is_not_inherited_by_a_fork(path: Path) -> None:
    token_store = FileTokenStore(path)
    script = """token_store.claim()
if os.fork():
    os._exit(0)
print("forked", flush=True)
sys.stdin.read()
print(token_store.claim())"""
    with child(script, path) as other:
        assert other.stdout is not None
        # The fork lets go of the lock in its own first step, which may come after its parent's death.
        assert other.stdout.readline() == "forked\n"
        other.wait()
        assert token_store.claim(), "it died with the process that had it, and its child lives"
        token_store.release()
        printed, _ = other.communicate()
    assert printed == "True\n", "nor does the child wait for itself"


def test_forgetting_the_tokens_does_not_let_a_second_one_renew(path: Path) -> None:
    token_store = FileTokenStore(path)
    token_store.save(OLD_TOKENS)
    assert token_store.claim()
    FileTokenStore(path).delete()
    assert not FileTokenStore(path).claim()
    token_store.release()


def test_a_claim_that_cannot_be_tried_can_be_tried_again(path: Path) -> None:
    path.parent.write_bytes(b"a file where the folder should be")
    token_store = FileTokenStore(path)
    for _ in range(2):
        with pytest.raises(RingletError, match="cannot be opened"):
            token_store.claim()
    path.parent.unlink()
    assert token_store.claim()
    token_store.release()


@posix_only
def test_a_file_system_without_locks_is_an_error_and_no_endless_wait(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As some network file systems answer; a claim that another holds is answered differently."""
    import fcntl

    def refuse(handle: int, how: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    token_store = FileTokenStore(path)
    with monkeypatch.context() as patch:
        patch.setattr(fcntl, "flock", refuse)
        for _ in range(2):
            with pytest.raises(RingletError, match="cannot be locked: No locks available") as caught:
                token_store.claim()
        assert str(path) in str(caught.value)
        assert "store the tokens on another" in caught.value.cure
    assert token_store.claim(), "nothing stayed behind"
    token_store.release()


@pytest.mark.skipif(not hasattr(os, "O_NOFOLLOW"), reason="this platform follows every link")
def test_a_link_in_place_of_the_lock_is_not_followed(path: Path, tmp_path: Path) -> None:
    path.parent.mkdir()
    path.with_name(path.name + ".lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RingletError, match="cannot be opened"):
        FileTokenStore(path).claim()
    assert not (tmp_path / "elsewhere").exists()


def test_releasing_what_is_not_held_is_harmless(path: Path) -> None:
    FileTokenStore(path).release()


# --- Profiles ---


@pytest.fixture
def _own_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.mark.usefixtures("_own_configuration")
@pytest.mark.parametrize("profile", ["default", "me@example.org", "second-ring_2", "\u00e9t\u00e9"])
def test_a_profile_has_its_own_file_in_the_user_s_configuration(profile: str, tmp_path: Path) -> None:
    token_store = SignIn(profile).token_store
    assert token_store.path.is_relative_to(tmp_path)
    assert token_store.path.name == f"{profile}.json"
    token_store.save(OLD_TOKENS)
    assert SignIn(profile).token_store.load() == OLD_TOKENS
    assert SignIn("another").token_store.load() is None


@pytest.mark.parametrize("profile", ["", "../me", "a/b", "a\\b", "a b", "a\n", "x" * 65, "nul\x00"])
def test_a_name_that_could_leave_the_folder_is_no_profile(profile: str) -> None:
    with pytest.raises(RingletError, match="cannot be a profile name"):
        SignIn(profile)
