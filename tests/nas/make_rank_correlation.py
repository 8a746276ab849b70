"""Expected values of rank_correlation_test.cpp, by SciPy.   python make_rank_correlation.py > rank_correlation.txt

Lines: x | y | tau-b. Numbers with few digits, so that ties occur; nan: SciPy finds it undefined.
"""
import random
import scipy, scipy.stats

random.seed(5)
print(f"# scipy {scipy.__version__}, scipy.stats.kendalltau(x, y, variant='b')")
cases = [
    ([1.0], [2.0]), ([1.0, 2.0], [3.0, 4.0]), ([1.0, 2.0], [4.0, 3.0]), ([1.0, 1.0], [3.0, 4.0]), ([2.0, 2.0], [3.0, 3.0]),
    ([1.0, 2.0, 3.0], [5.0, 5.0, 5.0]), ([float("inf"), 1.0, float("-inf"), 0.0], [4.0, 3.0, float("-inf"), 2.5]), ([-0.0, 0.0, 1.0], [1.0, 2.0, 3.0]),
]
for n, levels in [(3, 2), (5, 3), (8, 100), (13, 4), (30, 6), (30, 1000), (64, 2), (65, 10), (100, 1000), (257, 40)]:
    x = [float(random.randrange(levels)) for _ in range(n)]
    cases.append((x, [a + random.randrange(levels) for a in x]))
    cases.append((x, [float(random.randrange(levels)) for _ in range(n)]))
    cases.append((sorted(x), sorted(x, reverse=True)))
for x, y in cases:
    tau = scipy.stats.kendalltau(x, y, variant="b").statistic if len(x) > 1 else float("nan")
    print(" ".join(map(repr, x)), "|", " ".join(map(repr, y)), "|", repr(float(tau)))
