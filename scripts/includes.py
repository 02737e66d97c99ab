#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
#
# includes.py: do the includes of dm-ordered/ point one way? Between folders only as MAY says; no circle of
# files; format/, which userspace compiles, knows no kernel header but what compat.h stands for. Of the
# module userspace/ sees only what is its own too, and of userspace/ lib/ only itself: it knows of no tool, and
# keeps nothing for the whole process. Prints what is wrong, a line each, and fails then.

import os
import re
import sys

# Each folder, and which others it may include; from the bottom to the top, so a folder never
# includes one further down in this list. "base" and "top" are the files in dm-ordered/ itself.
MAY = {
    "uapi": "",
    "base": "",
    "format": "uapi base",
    "meta": "uapi base format",
    "store": "uapi base format",
    "link": "uapi base format",
    "engine": "uapi base format",
    "journal": "uapi base format meta",
    "primary": "uapi base format meta store link engine",
    "secondary": "uapi base format meta store link engine journal",
    "session": "uapi base format meta link engine primary secondary",
    "top": "uapi base format meta store link engine primary secondary session",
    "userspace": "uapi base format",
}
BASE = ["compat.h", "trace.h"]
TOP = ["target", "netlink", "main"]
# not one of the module's: compat.h has it from whoever compiles the pure files outside of the kernel
OUTSIDE = {"compat.h": ["kcompat.h"]}

# What may be kept in lib/ for the whole process nevertheless, and why.
KEPT = {
    ("dm.c", "caller"): "by thread; libdevmapper's log function is told nothing to tell calls apart by",
}

ROOT = "dm-ordered"
# static, or at the left of a line: a declaration of something that is no function
VARIABLE = re.compile(r"^(?=\s*static\b|[A-Za-z_])(?!typedef\b|extern\b|return\b|else\b|goto\b)\s*"
                      r"(?P<kind>[A-Za-z_][\w\s*]*?[\s*])"
                      r"(?:(?P<name>\w+)\s*(?:\[[^\]]*\]\s*)*(?:=[^=].*|=$|;|,.*;)|\{$)")
FORWARD = re.compile(r"^(?:struct|union|enum)\s+\w+\s*(?:;|\{)|^(?:struct|union|enum)\s*\{")
INCLUDE = re.compile(r'^\s*#\s*include\s+(?:"([^"]+)"|<([^>]+)>)', re.M)


def folder(path):
    head, _, rest = path.partition("/")
    if rest:
        return head if head in MAY else None
    if path in BASE:
        return "base"
    return "top" if path.rsplit(".", 1)[0] in TOP else None


def sources(root):
    for where, _, names in sorted(os.walk(root)):
        for name in sorted(names):
            if name.endswith((".c", ".h")) and not name.endswith(".mod.c"):
                yield os.path.relpath(os.path.join(where, name), root)


def includes(path):
    """Names in quotes, names in angle brackets."""
    with open(path, encoding="utf-8") as f:
        found = INCLUDE.findall(f.read())
    return [q for q, _ in found if q], [a for _, a in found if a]


def unit(path):
    """A header, what is behind it, and its .c are one."""
    return re.sub(r"(_priv)?\.[ch]$", "", path)


def circle(edges):
    """A circle of units, or None."""
    done, way = set(), []

    def walk(u):
        if u in way:
            return way[way.index(u):] + [u]
        if u in done:
            return None
        way.append(u)
        for v in sorted(edges.get(u, ())):
            found = walk(v)
            if found:
                return found
        done.add(way.pop())
        return None

    for u in sorted(edges):
        found = walk(u)
        if found:
            return found
    return None


def check_table():
    below = set()
    for name, may in MAY.items():
        above = set(may.split()) - below
        if above:
            yield f"scripts/includes.py: {name}/ may include {', '.join(sorted(above))}, which is above it"
        below.add(name)


def check_module(edges):
    files = list(sources(ROOT))
    for path in files:
        here = folder(path)
        if not here:
            yield f"{ROOT}/{path}: its folder is not in the list of scripts/includes.py"
            continue
        quoted, angled = includes(f"{ROOT}/{path}")
        for name in quoted:
            if name in OUTSIDE.get(path, ()):
                continue
            if name not in files:
                yield f"{ROOT}/{path}: there is no {ROOT}/{name}; includes are written from {ROOT}/ on"
                continue
            there = folder(name)
            if there != here and there not in MAY[here].split():
                yield f"{ROOT}/{path}: {here} must not include {name}"
            if unit(path) != unit(name):
                edges.setdefault(unit(path), set()).add(unit(name))
        if here == "format":
            yield from (f"{ROOT}/{path}: <{name}> in a file that userspace compiles: by compat.h only"
                        for name in angled)


def check_userspace():
    for path in sources("userspace"):
        for name in includes(f"userspace/{path}")[0]:
            if os.path.exists(f"userspace/{name}"):
                if path.startswith("lib/") and not name.startswith("lib/"):
                    yield f"userspace/{path}: lib must not include {name}"
                continue
            if not os.path.exists(f"{ROOT}/{name}"):
                yield f"userspace/{path}: there is no {name}; includes are written from userspace/ on"
            elif folder(name) not in MAY["userspace"].split():
                yield f"userspace/{path}: userspace must not include {name}"


def kept(path):
    """Variables of a file that outlast a call and may change: outside of functions, or static in one."""
    with open(path, encoding="utf-8") as f:
        lines = f.read().split("\n")
    for nr, line in enumerate(lines, 1):
        m = VARIABLE.match(line)
        if not m or FORWARD.match(line):
            continue
        # of a pointer the pointer itself must be constant
        kind, stars, last = m["kind"].rpartition("*")
        if not re.search(r"\bconst\b", last if stars else kind + last):
            yield nr, m["name"] or "without a name"


def check_lib():
    left = set(KEPT)
    for path in sources("userspace/lib"):
        for nr, name in kept(f"userspace/lib/{path}"):
            if (path, name) not in KEPT:
                yield f"userspace/lib/{path}:{nr}: {name} is kept for the whole process; make it part of an object"
            left.discard((path, name))
    for path, name in sorted(left):
        yield f"scripts/includes.py: there is no {name} in userspace/lib/{path} any more"


def main():
    os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
    edges = {}
    wrong = [*check_table(), *check_module(edges), *check_userspace(), *check_lib()]
    found = circle(edges)
    if found:
        wrong.append("a circle of files: " + ", ".join(found))
    if not edges:
        wrong.append(f"no include was found in {ROOT}/")
    for line in wrong:
        print(line)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
