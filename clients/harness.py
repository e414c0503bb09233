"""What the checks of all Python clients share.

A check is a function with the decorator `check`. `main()` runs those named on the command line, prints one JSON
line for each, and ends with 1 when one failed. FILMGATE_URL and FILMGATE_KEY say which gateway, and as whom.
"""

import base64
import hashlib
import json
import os
import pathlib
import sys
import time
import traceback

URL = os.environ["FILMGATE_URL"]
KEY = os.environ["FILMGATE_KEY"]
PICTURE = pathlib.Path(__file__).with_name("picture.png")
PICTURE_URI = "data:image/png;base64," + base64.b64encode(PICTURE.read_bytes()).decode()
# No client and no gateway fetches it: the provider would, and the simulated one only writes it down.
PICTURE_URL = "https://pictures.example/fox.png"

_checks = {}


def check(function):
    _checks[function.__name__] = function
    return function


def main():
    failed = False
    for name in sys.argv[1:]:
        start, line = time.monotonic(), {"check": name, "ok": True}
        try:
            _checks[name]()
        except Exception as error:
            failed = True
            where = "".join(traceback.format_exception(error)[-4:])
            line.update(ok=False, error=f"{type(error).__name__}: {error}", where=where)
        line["ms"] = round((time.monotonic() - start) * 1000)
        print(json.dumps(line), flush=True)
    sys.exit(failed)


def equal(found, expected, what=""):
    if found != expected:
        raise AssertionError(f"{what or 'it'} is {found!r}, not {expected!r}")


def true(condition, what):
    if not condition:
        raise AssertionError(what)


def raises(kind, function, *args, **kwargs):
    """The exception of that kind that the call ends with."""
    try:
        result = function(*args, **kwargs)
    except kind as error:
        return error
    raise AssertionError(f"no {kind.__name__}, but {result!r}")


def until(what, question, seconds=60):
    """Asks until there is an answer other than None."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if (answer := question()) is not None:
            return answer
        time.sleep(0.1)
    raise AssertionError(f"waited {seconds} s for {what}")


def is_mp4(content, delivered=None):
    """Whether it is a video, and the one that filmgate says it delivered."""
    equal(content[4:8], b"ftyp", "the file's first box")
    if delivered is None:
        return
    equal(len(content), delivered["bytes"], "the file's size")
    equal(hashlib.sha256(content).hexdigest(), delivered["sha256"], "the file's hash")


def is_webp(content):
    equal((content[:4], content[8:12]), (b"RIFF", b"WEBP"), "the thumbnail's first bytes")
