"""pyos's user token, a JWT (RFC 7519) signed RS256 in ``ABCAuthorization``, and its public keys."""

from __future__ import annotations

import warnings
from typing import Any, FrozenSet, List, NamedTuple, Optional, Sequence, Tuple

import jwt
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from jwt.api_jwt import decode_complete

from abcwebrtc.coturn.certificate import CERTIFICATES, Block, load_certificate, pem_blocks
from abcwebrtc.errors import ConfigError, Problem, TokenError, UnreadableError
from abcwebrtc.files import read_file

LEEWAY = 20
"""Seconds by which clocks may differ, as in pyos."""
REQUIRED_CLAIMS = ("exp", "nbf", "auth", "user", "roles")
MIN_KEY_BITS, SAFE_KEY_BITS = 1024, 2048
"""A key shorter than the first is refused: 512 bits can be factored in hours. One shorter than the
second gets a warning."""
MAX_BYTES = 64 * 1024
"""No file of keys is larger than this."""
_ANOTHER_KEY = jwt.InvalidSignatureError.__name__
_OTHER_KEY = "it is for another key"
_WORDS = {
    "ExpiredSignatureError": "expired",
    "ImmatureSignatureError": "not_yet_valid",
    _ANOTHER_KEY: "signature",
    "InvalidAlgorithmError": "signature",
    _OTHER_KEY: "signature",
    "MissingRequiredClaimError": "claims",
}
"""The reason of a `TokenError` for each of these faults; for all others it is ``malformed``."""
_NO_KEY = "is not a PEM public key"
_PUBLIC = ("PUBLIC KEY", "RSA PUBLIC KEY")


class User(NamedTuple):
    """A user: the userid, and the names of the labels that pyos has given."""

    userid: str
    labels: FrozenSet[str] = frozenset()


class UserTokenVerifier:
    """Verifies user tokens with the public half of pyos's signing key.

    With several keys, any of them may have signed a token, so pyos's key can be changed. They
    are tried in order; the later ones cost time only for tokens that the first has not signed.
    `problems` has the notes on their files. Raises `ValueError` for a key of fewer than
    `MIN_KEY_BITS`.
    """

    def __init__(self, *public_keys: RSAPublicKey, problems: Sequence[Problem] = ()) -> None:
        if not public_keys:
            raise TypeError("UserTokenVerifier needs a public key")
        short = [key.key_size for key in public_keys if key.key_size < MIN_KEY_BITS]
        if short:
            raise ValueError(f"a key has {_bits(min(short))}")
        self._keys = public_keys
        self.problems = tuple(problems)
        if self.weakness and hasattr(jwt, "InsecureKeyLengthWarning"):
            # PyJWT warns at each call; `weakness` is for one warning at start.
            warnings.filterwarnings("ignore", category=jwt.InsecureKeyLengthWarning)

    @classmethod
    def from_file(cls, *paths: str, entry: str = "") -> UserTokenVerifier:
        """Read PEM files of public keys or certificates; raise `ConfigError` for anything else.

        `entry` is the key path in od.config that names the files, for error messages.
        """
        keys, problems = read_public_keys(paths, entry)
        return cls(*keys, problems=problems)

    @property
    def weakness(self) -> Optional[str]:
        """Why the shortest key is too weak, or None."""
        size = min(key.key_size for key in self._keys)
        if size >= SAFE_KEY_BITS:
            return None
        name = "the key" if len(self._keys) == 1 else "a key"
        return f"{name} has {_bits(size)}"

    def user(self, token: str) -> User:
        """Return the userid and the labels in a valid token.

        Raises `TokenError` if it is not valid; the text says why, for the log.
        """
        claims = self._claims(token)
        user = claims.get("user")
        userid = user.get("userid") if isinstance(user, dict) else None
        if not isinstance(userid, str) or not userid:
            raise TokenError("the token names no user", reason="claims")
        return User(userid, _labels(claims.get("auth")))

    def _claims(self, token: str) -> Any:
        for key in self._keys:
            claims, reason = _verified(token, key)
            if reason is None:
                return claims
            if reason != _ANOTHER_KEY:
                break  # not valid, whichever key has signed it
        word = _WORDS.get(str(reason), "malformed")
        raise TokenError(f"the token is not valid: {reason}", reason=word)


def _labels(auth: Any) -> FrozenSet[str]:
    """Return the labels in the ``auth`` of a token: the keys of ``data.labels``.

    Labels that can't be read are refused, since an acl may deny what they would have named.
    """
    data = _member(auth, "data")
    return label_names(_member(data, "labels") if data is not None else None)


def _member(holder: Any, name: str) -> Any:
    if not isinstance(holder, dict):
        raise TokenError("the token's labels can't be read", reason="labels")
    return holder.get(name)


def label_names(labels: Any) -> FrozenSet[str]:
    """Return the names in labels as pyos has them: a dict, a list of names, or nothing.

    Raises `TokenError` if they are anything else.
    """
    if not labels:
        return frozenset()
    are_names = isinstance(labels, (dict, list, tuple, set, frozenset))
    if are_names and all(isinstance(name, str) for name in labels):
        return frozenset(labels)
    raise TokenError("the token's labels can't be read", reason="labels")


def _verified(token: str, key: RSAPublicKey) -> Tuple[Any, Optional[str]]:
    """Return the claims of a token, or why it is not valid for this key."""
    try:
        decoded = decode_complete(
            token,
            key=key,
            algorithms=["RS256"],
            leeway=LEEWAY,
            options={"require": list(REQUIRED_CLAIMS)},
        )
    except (jwt.PyJWTError, ArithmeticError, TypeError, ValueError, RecursionError) as error:
        return None, type(error).__name__
    if "kid" in decoded["header"]:
        return None, _OTHER_KEY  # pyos's keys have no id
    return decoded["payload"], None


def bearer_token(header: Optional[str]) -> str:
    """Return the token of an ``ABCAuthorization: Bearer ...`` header.

    Raises `TokenError` if there is none.
    """
    scheme, _, token = (header or "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise TokenError("no bearer token", reason="no_token")
    return token.strip()


# the files of the keys


def read_public_keys(
    paths: Sequence[str], entry: str = ""
) -> Tuple[List[RSAPublicKey], List[Problem]]:
    """Read PEM files of public keys or X.509 certificates, any number in each.

    Return the keys in the order of their files, and notes on the files. Only the key of a
    certificate is used, and a note says so; its other contents are ignored. A certificate
    that issued another one in the file is skipped: an authority does not sign tokens.
    `entry` is the key path in od.config that names the files.
    Raises `ConfigError` for the first block that is neither, `UnreadableError` for a file that
    can't be read.
    """
    keys: List[RSAPublicKey] = []
    problems: List[Problem] = []
    for path in paths:
        try:
            found, has_certificate = _keys_in(_content(path, entry))
        except _KeyFileError as error:
            message, line = f"the key file {error}", error.line
            raise ConfigError(Problem(message, entry, path, line)) from None
        for key in found:
            keys += [] if key in keys else [key]
        if has_certificate:
            message = "has a certificate; only its public key is used, to verify user tokens"
            problems.append(Problem(f"the key file {message}", entry, path, level="note"))
    return keys, problems


class _KeyFileError(Exception):
    """A file has no usable public key; the text says why, `line` says where."""

    def __init__(self, reason: str, line: Optional[int] = None) -> None:
        super().__init__(reason)
        self.line = line


def _content(path: str, entry: str) -> bytes:
    try:
        return read_file(path, MAX_BYTES)
    except OSError as error:
        reason = error.strerror
    raise UnreadableError(Problem(f"the key file can't be read: {reason}", entry, path))


def _keys_in(data: bytes) -> Tuple[List[RSAPublicKey], bool]:
    """Return the keys in a file, and whether any of them is in a certificate."""
    if b"PRIVATE KEY-----" in data:
        hint = "`openssl pkey -pubout` prints its public half"
        raise _KeyFileError(f"{_NO_KEY} but a private one; {hint}")
    blocks = pem_blocks(data)
    if not blocks or len(blocks) != data.count(b"-----BEGIN "):
        raise _KeyFileError(_NO_KEY + _instead(data))
    certificates = [_certificate(block) for block in blocks]
    issuers = {one.issuer for one in certificates if one and one.issuer != one.subject}
    keys: List[RSAPublicKey] = []
    for block, certificate in zip(blocks, certificates):
        if certificate and certificate.subject in issuers:
            continue
        line = block.line if len(blocks) > 1 else None
        try:
            key = certificate.public_key() if certificate else load_pem_public_key(block.text)
        except ValueError:
            known = block.label in (*_PUBLIC, *CERTIFICATES)
            reason = "; it is damaged" if known else f" but a {block.label}"
            raise _KeyFileError(_NO_KEY + reason, line) from None
        except UnsupportedAlgorithm:
            key = None
        if not isinstance(key, RSAPublicKey):
            raise _KeyFileError("is not an RSA key, which RS256 needs", line)
        if key.key_size < MIN_KEY_BITS:
            why = "anybody who factors it can sign tokens"
            raise _KeyFileError(f"has a key of {_bits(key.key_size)}; {why}", line)
        keys.append(key)
    if not keys:
        raise _KeyFileError(f"{_NO_KEY}; its certificates only issue each other")
    return keys, any(certificates)


def _bits(size: int) -> str:
    return f"{size} bits; use one of {SAFE_KEY_BITS} or more"


def _certificate(block: Block) -> Optional[x509.Certificate]:
    """Return the certificate in a block, None if there is none or it can't be read."""
    try:
        return load_certificate(block) if block.label in CERTIFICATES else None
    except ValueError:
        return None


def _instead(data: bytes) -> str:
    """Return what a file without a whole PEM block is, if that can be told."""
    if b"-----BEGIN " in data:
        return "; it is cut off"
    if data.startswith((b"ssh-", b"ecdsa-")) or b"BEGIN SSH2" in data:
        return " but an OpenSSH key; `ssh-keygen -e -m PKCS8 -f` prints it as PEM"
    if data.startswith(b"0\x82"):
        return " but DER; `openssl pkey -pubin -inform DER` prints it as PEM"
    return ""
