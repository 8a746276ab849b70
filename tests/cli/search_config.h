// A search of moments: small rows, a small space.
#pragma once
#include "call.h"

namespace lathe::test {

struct SearchSize {
  int trials = 6, finalists = 1, seeds = 1, hidden = 8;
};

/// lathe.toml and reviews.tsv of the current folder.
inline void write_search(const SearchSize& size = {}) {
  write("reviews.tsv", reviews(160));
  const std::string h = std::to_string(size.hidden);
  write("lathe.toml",
        "data = { train = \"reviews.tsv\", max_tokens = 12 }\n"
        "tokenizer = { vocab = 120 }\n"
        "model = { layers = 1, hidden = " +
            h +
            ", heads = 2, expansion = 1 }\n"
            "train = { epochs = 2, batch_rows = 64, patience = 0 }\n"
            "search = { trials = " +
            std::to_string(size.trials) +
            ", workers = 1 }\n"
            "finalists = { count = " +
            std::to_string(size.finalists) + ", seeds = " + std::to_string(size.seeds) +
            ", epochs = 1, measure = false }\n"
            "space = { hidden = " +
            h + ", heads = [1, 2, 4], lr = { min = 1e-4, max = 1e-1, log = true } }\n");
}

/// What `lathe study hash` prints.
inline std::string study_hash(const std::string& place) {
  const Answer answer = call({"study", "hash", place});
  return answer.code == 0 ? answer.out : "exit code " + std::to_string(answer.code) + ": " + answer.err;
}

}  // namespace lathe::test
