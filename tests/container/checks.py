"""tests/container/checks.py IMAGE: everything that the image is held to. Called by tests/container/run, which builds it."""

import os
import sys
import time

from engine import Broken, Stage
from image import Image
from place import Place
from running import Running


def each(subject, failed):
    """Runs its checks; one that does not hold does not keep the others from being looked at."""
    passed = 0
    for check in subject.CHECKS:
        name, start = check.__name__.replace("_", " "), time.monotonic()
        try:
            check(subject)
            passed += 1
            print(f"ok      it {name} ({time.monotonic() - start:.1f} s)", flush=True)
        except Exception as error:  # What a check stumbles over did not hold either.
            failed.append(name)
            print(f"FAILED  it {name}: {error if isinstance(error, Broken) else repr(error)}", flush=True)
    return passed


def main():
    name = sys.argv[1]
    failed = []
    passed = each(Image(name, int(os.environ["SOURCE_DATE_EPOCH"]), os.environ["VERSION"]), failed)
    place, stage = Place(), Stage(name)
    try:
        running = Running(stage, place)
        passed += each(running, failed)
        running.close()
    finally:
        stage.close()
        place.close()
    print(f"{passed} passed, {len(failed)} failed")
    sys.exit(1 if failed else 0)


main()
