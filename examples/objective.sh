#!/bin/sh
# An objective in any language: reads {"x":…,"layers":…} from standard input, writes reports and a final value as JSON lines.
read -r line
x=$(printf '%s' "$line" | sed 's/.*"x":\([-0-9.e]*\).*/\1/')
layers=$(printf '%s' "$line" | sed 's/.*"layers":\([0-9]*\).*/\1/')
echo "trial $LATHE_TRIAL: x = $x, $layers layers" >&2
for step in 1 2 3; do
  awk -v x="$x" -v l="$layers" -v s="$step" 'BEGIN { printf "{\"step\": %d, \"value\": %.6f}\n", s, -(x * x + l) / s }'
done
awk -v x="$x" -v l="$layers" 'BEGIN { printf "{\"value\": %.6f}\n", -(x * x + l) / 4 }'
