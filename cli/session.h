// From a command line to a configuration and data: what several commands begin with.
#pragma once
#include <lathe/cli/config.h>
#include <lathe/cli/options.h>
#include <lathe/data/load.h>
#include <lathe/tokenizer/tokenizer.h>

#include <string>

namespace lathe::cli {

/// The configuration in force: defaults, the file, the environment, --set, and the options that name a key. The file is
/// DATA|CONFIG if that ends in .toml, else -c, else $LATHE_CONFIG, else ./lathe.toml where no argument was given (which is
/// said). Any other argument is data.train.
Config configuration(Invocation& invocation);
/// The same with another word in place of the first argument, such as one without it.
Config configuration(Invocation& invocation, const std::string& argument);

/// The keys of [data] as the data layer wants them. InputError if data.train is empty.
data::DataConfig data_config(const Config& config);

/// tokenizer.file, or one learned from the training texts as [tokenizer] says.
tokenizer::Tokenizer make_tokenizer(const Config& config, const data::Examples& train);
/// One of at most `vocab` tokens, learned from the training texts.
tokenizer::Tokenizer learn_tokenizer(const Config& config, const data::Examples& train, std::int64_t vocab);

/// Applies `quick`, `balanced` or `thorough`: trials, epochs and finalists, as if by --set.
void apply_preset(Config& config, const std::string& name);

}  // namespace lathe::cli
