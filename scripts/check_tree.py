"""Rules of the tree that no linter knows: no addresses of package indexes, no paths of a machine, no endless files."""

import re
import subprocess
import sys
from pathlib import Path

LONGEST = 450
# Put together from parts, so that this file does not break its own rule.
HOSTS = "|".join(("py" + r"pi\.org", "pythonhosted" + r"\.org", "deb" + r"\.debian\.org", "npm" + r"js\.org"))
MACHINE = r"(?<![\w.])/(?:" + "|".join(("ho" + "me", "ro" + "ot", "wo" + "rk", "Us" + "ers")) + r")/[\w.]"
FORBIDDEN = re.compile(f"{HOSTS}|{MACHINE}")


def main() -> int:
    """Print every offence; 1 if there is one."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], capture_output=True, text=True, check=True
    )
    offences = []
    for name in listed.stdout.splitlines():
        path = Path(name)
        if not path.is_file():
            continue
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError:
            continue
        offences += [f"{name}:{n}: {line.strip()[:100]}" for n, line in enumerate(lines, 1) if FORBIDDEN.search(line)]
        if path.suffix == ".py" and len(lines) > LONGEST:
            offences.append(f"{name}: {len(lines)} lines, more than {LONGEST}")
    print("\n".join(offences) or "The tree is in order.")
    return int(bool(offences))


if __name__ == "__main__":
    sys.exit(main())
