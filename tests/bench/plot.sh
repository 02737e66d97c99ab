#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# plot.sh RESULTS DIRECTORY: the plots of a bench run (run.sh), as DIRECTORY/NAME.svg and NAME.png.

set -euo pipefail
[ $# = 2 ] || { sed -n '4,/^$/s/^# \{0,1\}//p' "$0" >&2; exit 2; }
type -P gnuplot > /dev/null || { echo "plot.sh: there is no gnuplot; it is in the package gnuplot-nox" >&2; exit 1; }
results=$1 dir=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$dir"

# series PLOT: a line a place on the x axis, a column a series; bars have words for places.
series() {
	jq -r --arg plot "$1" '[.points[] | select(.plot == $plot)] |
		(reduce .[].series as $s ([]; if index([$s]) then . else . + [$s] end)) as $series |
		(reduce .[].x as $x ([]; if index([$x]) then . else . + [$x] end)) as $places |
		. as $p | (["x"] + $series), ($places[] as $x | [$x] + [$series[] as $s |
			[$p[] | select(.x == $x and .series == $s) | .y][0] // "NaN"]) | @tsv' "$results"
}

# draw NAME STYLE TITLE X Y
draw() {
	local name=$1 style=$2 columns; columns=$(head -n 1 "$work/$name" | awk -F '\t' '{ print NF }')

	{
		for t in svg png; do
			case $t in
			svg) echo "set terminal svg size 900,520 background rgb 'white'" ;;
			png) echo "set terminal pngcairo size 900,520" ;;
			esac
			printf 'set output "%s/%s.%s"\nset title "%s" noenhanced\nset xlabel "%s" noenhanced\nset ylabel "%s" noenhanced\n' \
				"$dir" "$name" $t "$3" "$4" "$5"
			cat <<-'G'
			set datafile separator "\t"
			set key outside below noenhanced
			set grid ytics
			set yrange [0:*]
			G
			if [ "$style" = bars ]; then
				cat <<-G
				set style data histograms
				set style histogram clustered gap 1
				set style fill solid 0.8 border -1
				set xtics rotate by -20 noenhanced
				set bmargin 11
				set rmargin 24
				plot for [i=2:$columns] "$work/$name" using i:xtic(1) title columnheader(i)
				G
			else
				[ "$style" != loglines ] || echo "set logscale x"
				echo "plot for [i=2:$columns] '$work/$name' using 1:i with linespoints linewidth 2 title columnheader(i)"
			fi
		done
	} > "$work/$name.gp"
	gnuplot "$work/$name.gp"
	echo "plot $dir/$name.svg, .png"
}

jq -r '.plots[] | [.name, .style, .title, .x, .y] | join("|")' "$results" | while IFS='|' read -r name style title x y; do
	series "$name" > "$work/$name"
	if [ "$(wc -l < "$work/$name")" -lt 2 ]; then
		echo "plot.sh: there is nothing to plot for $name" >&2
		continue
	fi
	draw "$name" "$style" "$title" "$x" "$y"
done
