"""What the cluster test holds, and how it waits.

Every file beside this one reports through `Claims`: one printed line a sentence that held, and an
end at the first that did not. Nothing here may know of Kubernetes or TLS.
"""

import time


class Broken(Exception):
    """A sentence that does not hold; the message is what a person reads."""


class Claims:
    """Counts the sentences that held."""

    def __init__(self):
        self.passed = 0

    def hold(self, sentence, condition, seen=""):
        """Prints the sentence if it holds, with what was seen, else ends the test by it."""
        if not condition:
            raise Broken(f"{sentence}: does not hold" + (f"; seen: {seen}" if seen != "" else ""))
        self.passed += 1
        print(f"  ok  {sentence}" + (f" ({seen})" if seen != "" else ""), flush=True)


def eventually(what, look, within=120.0, every=0.5):
    """What `look` returns, once that is true; an exception of it is a no, too.

    A look is all that happens between two sleeps, so nothing passes by luck of the time.
    """
    until = time.monotonic() + within
    last = None
    while True:
        try:
            seen = look()
            if seen:
                return seen
            last = seen
        except Broken:
            raise
        except Exception as problem:  # whatever a cluster in motion answers
            last = f"{type(problem).__name__}: {problem}"
        if time.monotonic() > until:
            raise Broken(f"{what}: not within {within:.0f} s; the last look saw {last}")
        time.sleep(every)
