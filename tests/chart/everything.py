"""Runs every test of this folder, or renews what tests hold equal (--write). Called by run."""

import sys
import traceback

import admission
import configuration
import contradictions
import copies
import examples
import pods
import policy
from chart import Failed

if "--write" in sys.argv[1:]:
    copies.write()

passed = 0
for module in (copies, configuration, contradictions, admission, examples, pods, policy):
    for test in module.TESTS:
        name = f"{module.__name__}: {test.__name__.removeprefix('test_').replace('_', ' ')}"
        try:
            test()
        except Failed as failure:
            sys.exit(f"FAILED {name}\n{failure}\n{passed} passed, 1 failed")
        except Exception:  # pylint: disable=broad-except # a broken test is a failed one, with its place
            sys.exit(f"FAILED {name}\n{traceback.format_exc()}\n{passed} passed, 1 failed")
        passed += 1
        print(f"ok {name}", flush=True)
print(f"{passed} passed, 0 failed")
