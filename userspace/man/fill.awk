# SPDX-License-Identifier: GPL-2.0-only
# A line "@usage COMMAND", "@options COMMAND" or "@words" is replaced by what the tool says there.

/^@/ {
	# of a second command that is told with the first: one entry
	say = tool " complete man-" substr($0, 2)
	n = 0
	while ((say | getline line) > 0) {
		if ($1 == "@usage" && before == "@usage" && line == ".TP")
			line = ".TQ"
		print line
		n++
	}
	if (close(say) || !n) {
		print FILENAME ": " FNR ": " tool " has no " $0 > "/dev/stderr"
		bad = 1
	}
	before = $1
	next
}
{ before = ""; print }
END { exit bad }
