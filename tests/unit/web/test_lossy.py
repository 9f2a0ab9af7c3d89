"""Output that gets lost, where a disk is full or a reader has gone."""

from __future__ import annotations

import errno
import io
import os
import sys

import pytest

from abcwebrtc.web.lossy import LossyStream, lossy_output


class FullStream(io.StringIO):
    error = errno.ENOSPC

    def write(self, text: str) -> int:
        if self.error:
            raise OSError(self.error, os.strerror(self.error))
        return super().write(text)

    def flush(self) -> None:
        if self.error:
            raise OSError(self.error, os.strerror(self.error))


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EDQUOT, errno.EAGAIN])
def test_what_is_not_taken_is_lost_and_the_rest_is_not(error: int) -> None:
    full = FullStream()
    full.error = error
    stream = LossyStream(full)
    assert stream.write("lost") == 4
    stream.flush()
    full.error = 0
    stream.write("kept")
    assert full.getvalue() == "kept"
    assert stream.getvalue() == "kept"  # it has all that the stream has


def test_another_error_is_not_passed_over() -> None:
    full = FullStream()
    full.error = errno.EPIPE
    with pytest.raises(BrokenPipeError):
        LossyStream(full).write("x")


def test_output_is_lossy_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    with open(os.devnull, "w") as file:
        monkeypatch.setattr(sys, "stdout", file)
        with lossy_output():
            assert isinstance(sys.stdout, LossyStream)
            print("x")
        assert sys.stdout is file
