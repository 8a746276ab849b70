// The rows on which the table of real runs (sst2_table.h) was made: 4,000 phrases of SST-2, a vocabulary of 2,000 pieces learned
// from them, at most 48 tokens.
#pragma once
#include <lathe/data/batch.h>
#include <lathe/nas/transformer/candidate.h>

#include <map>
#include <string>

namespace lathe::bench {

struct Sst2Data {
  data::EncodedDataset train, valid;
  nas::TaskShape task;
};

/// `arguments`: train=FILE and valid=FILE.
Sst2Data load_sst2(std::map<std::string, std::string>& arguments);

/// What every run of the table shares: 2 heads, 4 epochs of AdamW in batches of 32, cosine schedule, warm-up 0.05.
nas::Candidate sst2_base();

/// name=value arguments from the `first` on.
std::map<std::string, std::string> named_arguments(int argc, char** argv, int first);

}  // namespace lathe::bench
