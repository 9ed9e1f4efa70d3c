#!/usr/bin/env bash
# Grades lessons for a class on a code host.
#
#   bash .github/classroom/grade.sh 1 2 3      these lessons; all of them without numbers
#
# SUBMISSION           a learner's copy of the project: its lessons/*/ are graded in place of the ones here
# RESULTS              the folder for results.json, junit.xml and the timelines of failed checks; results/ unless set
# GITHUB_STEP_SUMMARY  a file that a summary in Markdown is added to, where it is set (GitHub sets it)
#
# Ends with 0 where all passed and with 1 where something failed. An inconclusive grading is no fail: it is made once
# more, and if it still is inconclusive this ends with 0 and a warning, since no verdict is held against anybody.
# Ends with 2 where it was called wrong or the machine is unfit, and with 4 where the checker itself is at fault:
# neither says anything about the program.
set -uo pipefail

submission=${SUBMISSION:+$(cd "$SUBMISSION" && pwd)} || exit 2
cd "$(dirname "$0")/../.."
results=${RESULTS:-results}
mkdir -p "$results" || exit 2

# Only programs, and only of lessons that there are: what judges them stays as it is here. No links are followed.
if [ -n "$submission" ]; then
  for lesson in lessons/[0-9][0-9]-*/; do
    if [ ! -d "$submission/$lesson" ]; then
      echo "::warning::The submission has no $lesson: the starter is graded."
      continue
    fi
    (
      cd "$submission/$lesson" || exit 2
      find . -name node_modules -prune -o -type f \
        \( -name '*.[tj]s' -o -name '*.[mc][tj]s' -o -name '*.json' \) -print
    ) | while IFS= read -r file; do
      mkdir -p "$lesson$(dirname "$file")" && cp "$submission/$lesson$file" "$lesson$file"
    done
  done
fi

options=(--output "$results/results.json" --junit "$results/junit.xml")
if [ -n "${GITHUB_STEP_SUMMARY:-}" ]; then options+=(--markdown "$GITHUB_STEP_SUMMARY"); fi

began="$results/.began"
: > "$began"
for attempt in 1 2; do
  code=0
  npm run check "$@" -- "${options[@]}" || code=$?
  if [ "$code" != 3 ]; then break; fi
  if [ "$attempt" = 1 ]; then echo 'Inconclusive: once more.'; fi
done

# What the processes did up to a failure, and what the checker did to them.
# Not older, instead of newer: a file system's clock may stand still for some milliseconds.
for timeline in .workshop/timelines/*.md; do
  if [ -f "$timeline" ] && ! [ "$began" -nt "$timeline" ]; then cp "$timeline" "$results"; fi
done
rm -f "$began"

case $code in
  3)
    echo '::warning title=Inconclusive::Nothing failed, and not all could be told. Run it again later, or look at the summary.'
    exit 0
    ;;
  2) echo '::error title=Not graded::The command or the machine is at fault, not the program: see the log.' ;;
  4) echo '::error title=Not graded::The checker itself is at fault, not the program. Please report it.' ;;
esac
exit "$code"
