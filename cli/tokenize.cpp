// lathe tokenize: learn a vocabulary, look at tokens, go back to text, count.
#include <lathe/base/error.h>
#include <lathe/base/text.h>
#include <lathe/cli/commands.h>
#include <lathe/cli/format.h>
#include <lathe/cli/run.h>
#include <lathe/cli/session.h>
#include <lathe/data/classification.h>
#include <lathe/data/table.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <istream>
#include <numeric>

namespace lathe::cli {
namespace {

namespace fs = std::filesystem;
using tokenizer::Tokenizer;

/// A vocab.txt, a tokenizer.json, or a model folder with one.
Tokenizer load_tokenizer(const Invocation& invocation) {
  const fs::path file = invocation.value("--vocab");
  if (file.empty()) throw InputError("which tokenizer? --vocab FILE names a vocab.txt, a tokenizer.json or a model folder");
  return Tokenizer::load(fs::is_directory(file) ? file / "tokenizer.json" : file);
}

/// Calls `use` for each argument, or for each line of standard input.
void each_text(Invocation& invocation, const std::function<void(const std::string&)>& use) {
  for (const std::string& text : invocation.arguments()) use(text);
  if (!invocation.arguments().empty()) return;
  std::string line;
  std::int64_t number = 0;
  while (std::getline(invocation.console().in(), line)) {
    ++number;
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (const auto bad = invalid_utf8(line)) throw InputError(str("-:", number, ": byte ", *bad + 1, " is not UTF-8"));
    use(line);
  }
}

int encode(Invocation& invocation) {
  Console& console = invocation.console();
  const Tokenizer tokenizer = load_tokenizer(invocation);
  each_text(invocation, [&](const std::string& text) {
    const std::vector<std::int32_t> ids = tokenizer.encode(text);
    if (console.json()) {
      console.json_line("tokens", [&](JsonWriter& json) {
        json.key("ids").begin_array();
        for (const std::int32_t id : ids) json.value(id);
        json.end_array().key("tokens").begin_array();
        for (const std::int32_t id : ids) json.value(tokenizer.token(id));
        json.end_array();
      });
      return;
    }
    std::string line;
    for (const std::int32_t id : ids) {
      if (!line.empty()) line += ' ';
      line += invocation.has("--ids") ? std::to_string(id) : std::string(tokenizer.token(id));
    }
    console.result(line + "\n");
  });
  return kDone;
}

int decode(Invocation& invocation) {
  const Tokenizer tokenizer = load_tokenizer(invocation);
  const auto decode_line = [&](const std::string& line) {
    std::vector<std::int32_t> ids;
    for (const std::string_view word : split(line, ' ')) {
      if (trim(word).empty()) continue;
      const auto id = parse_int(trim(word));
      if (!id || *id < 0 || *id >= tokenizer.vocab_size())
        throw InputError(str("`", word, "` is no id; expected integers from 0 to ", tokenizer.vocab_size() - 1));
      ids.push_back(static_cast<std::int32_t>(*id));
    }
    const std::string text = tokenizer.decode(ids);
    if (invocation.console().json())
      invocation.console().json_line("text", [&](JsonWriter& json) { json.member("text", text); });
    else
      invocation.console().result(text + "\n");
  };
  if (invocation.arguments().empty())
    each_text(invocation, decode_line);
  else
    decode_line(join(invocation.arguments(), " "));  // ids as separate words are one text
  return kDone;
}

/// All texts of a data file, whatever its labels; one line each of a file that is no table (.txt).
data::Examples texts_of(const std::string& file, const Invocation& invocation) {
  const data::Table table = data::read_table(file);
  data::ColumnChoice choice;
  choice.text = invocation.value("--text", "auto");
  const data::Columns columns = data::find_columns(table, choice);
  data::Examples out;
  out.source = table;
  for (std::size_t row = 0; row < table.rows(); ++row) {
    out.text.push_back(table.cell(row, columns.text));
    if (columns.pair) out.pair.push_back(table.cell(row, *columns.pair));
    out.line.push_back(table.line(row));
  }
  return out;
}

int learn(Invocation& invocation) {
  Console& console = invocation.console();
  const std::string target = invocation.value("--out", "tokenizer.json");
  if (target != "-" && fs::exists(target) && !invocation.has("--force"))
    throw InputError(str(target, " exists; use --out NEW, or --force to replace it"));
  Config config;
  if (invocation.has("--size")) config.set_option("tokenizer.vocab", invocation.value("--size"), "--size");
  if (invocation.has("--cased")) config.resolve("tokenizer.lowercase", false);
  const Tokenizer tokenizer = make_tokenizer(config, texts_of(invocation.value("--learn"), invocation));
  if (target == "-") return console.result(tokenizer.to_json() + "\n"), kDone;
  tokenizer.save(target);
  if (console.json())
    console.json_line("result", [&](JsonWriter& json) {
      json.member("file", target).member("vocab", tokenizer.vocab_size()).member("hash", to_hex(tokenizer.hash()));
    });
  else
    console.note(str("wrote ", target, ": ", with_commas(tokenizer.vocab_size()), " tokens; next: lathe tokenize --vocab ", target,
                     " TEXT"));
  return kDone;
}

struct Lengths {
  std::vector<std::int64_t> sorted;
  double mean() const {
    return sorted.empty() ? 0
                          : static_cast<double>(std::accumulate(sorted.begin(), sorted.end(), std::int64_t{0})) /
                                static_cast<double>(sorted.size());
  }
  std::int64_t at(double share) const {
    return sorted.empty() ? 0 : sorted[static_cast<std::size_t>(share * static_cast<double>(sorted.size() - 1) + 0.5)];
  }
};

int stats(Invocation& invocation) {
  Console& console = invocation.console();
  const data::Examples texts = texts_of(invocation.value("--stats"), invocation);
  const Tokenizer tokenizer = invocation.has("--vocab") ? load_tokenizer(invocation) : make_tokenizer(Config(), texts);
  const std::int64_t limit = invocation.integer("--max-tokens", 128, 1);
  Lengths lengths;
  std::int64_t unknown = 0, characters = 0, cut = 0, tokens = 0;
  std::vector<std::int32_t> ids;
  for (std::size_t i = 0; i < texts.text.size(); ++i) {
    ids.clear();
    try {
      tokenizer.append(texts.text[i], ids);
      if (texts.is_pair()) tokenizer.append(texts.pair[i], ids);
    } catch (const InputError& error) {
      throw InputError(str(texts.place(i), ": ", error.what()));
    }
    for (const std::int32_t id : ids) unknown += id == tokenizer.special().unk ? 1 : 0;
    const auto size = static_cast<std::int64_t>(ids.size());
    lengths.sorted.push_back(size);
    tokens += size;
    cut += size > limit ? 1 : 0;
    characters += static_cast<std::int64_t>(texts.text[i].size());
  }
  std::sort(lengths.sorted.begin(), lengths.sorted.end());
  const auto rows = static_cast<std::int64_t>(lengths.sorted.size());
  const auto share = [](std::int64_t part, std::int64_t whole) {
    return whole == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(whole);
  };
  if (console.json()) {
    console.json_line("stats", [&](JsonWriter& json) {
      json.member("vocab", tokenizer.vocab_size()).member("texts", rows).member("tokens", tokens).member("mean", lengths.mean());
      json.member("median", lengths.at(0.5)).member("p95", lengths.at(0.95)).member("max", lengths.at(1));
      json.member("unknown", unknown).member("cut", cut).member("max_tokens", limit).member("bytes", characters);
    });
    return kDone;
  }
  TextTable table({{""}, {""}});
  table.add({"vocabulary",
             str(with_commas(tokenizer.vocab_size()), " tokens, ", tokenizer.kind(), tokenizer.lowercase() ? ", lower case" : "")});
  table.add({"texts", with_commas(rows)});
  table.add({"tokens",
             str(with_commas(tokens), ", special ones included; ", fixed(share(characters, tokens), 2), " bytes of text each")});
  table.add({"length", str("mean ", fixed(lengths.mean(), 1), ", median ", lengths.at(0.5), ", 95 % below ", lengths.at(0.95) + 1,
                           ", longest ", lengths.at(1))});
  table.add({"unknown", str(with_commas(unknown), " tokens (", format_percent(share(unknown, tokens), 2), ")")});
  table.add({"cut", str(with_commas(cut), " texts (", format_percent(share(cut, rows), 2), ") have more than ", limit, " tokens")});
  console.result(table.text());
  return kDone;
}

int run_tokenize(Invocation& invocation) {
  int modes = 0;
  for (const char* mode : {"--learn", "--decode", "--stats"}) modes += invocation.has(mode) ? 1 : 0;
  if (modes > 1) throw InputError("--learn, --decode and --stats exclude each other (lathe tokenize -h)");
  if (invocation.has("--learn")) return learn(invocation);
  if (invocation.has("--stats")) return stats(invocation);
  return invocation.has("--decode") ? decode(invocation) : encode(invocation);
}

}  // namespace

Command tokenize_command() {
  Command c;
  c.name = "tokenize";
  c.summary = "learn a vocabulary, encode, decode, count tokens";
  c.arguments = "[TEXT...]";
  c.examples = {"lathe tokenize --learn reviews.tsv --size 8000", "lathe tokenize --vocab tokenizer.json \"what a film\""};
  c.about =
      "Encodes each TEXT, or each line of standard input, one line out for one line in. FILE of --vocab is a BERT vocab.txt, a "
      "Hugging Face "
      "tokenizer.json, or a model folder.";
  c.options = {
      {"--vocab", "FILE", "the tokenizer to use", ""},
      {"--ids", "", "print ids instead of tokens", ""},
      {"--decode", "", "from ids to text", ""},
      {"--learn", "DATA", "learn a WordPiece vocabulary from the texts of a data file", ""},
      {"--size", "N", "of the vocabulary to learn (8000)", ""},
      {"--cased", "", "keep case and accents when learning", ""},
      {"--out", "FILE", "where to write what was learned (tokenizer.json); - is standard output", ""},
      {"--stats", "DATA", "lengths, unknown tokens and cut texts of a data file", ""},
      {"--max-tokens", "N", "for --stats: where texts would be cut (128)", ""},
      {"--text", "COLUMN", "column of the text in DATA", ""},
  };
  c.groups = kForceGroup;
  c.run = run_tokenize;
  return c;
}

}  // namespace lathe::cli
