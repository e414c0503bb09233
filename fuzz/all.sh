#!/bin/sh
# Runs every target but those for videos for FUZZ_SECONDS (60) each. Ends with 1 when one of them found something.
set -u
cd "$(dirname "$0")/.." || exit 2
failed=
for file in fuzz/fuzz_targets/*.rs; do
    target=$(basename "$file" .rs)
    case $target in mp4_*) continue ;; esac
    mkdir -p "fuzz/corpus/$target"
    cargo +nightly fuzz run "$target" "fuzz/corpus/$target" "fuzz/seeds/$target" -- \
        -max_total_time="${FUZZ_SECONDS:-60}" -rss_limit_mb=512 -timeout=5 -print_final_stats=1 || failed="$failed $target"
done
if [ -n "$failed" ]; then
    echo "found something:$failed"
    exit 1
fi
