#include <lathe/base/file.h>
#include <lathe/base/text.h>
#include <lathe/nas/transformer/tensorboard.h>

#include <array>
#include <bit>

namespace lathe::nas {
namespace {

// ---- Protobuf's wire format: (field number << 3 | type), then a varint (0), 8 bytes (1), length and bytes (2) or 4 bytes (5).

void varint(std::string& out, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  out += static_cast<char>(value);
}

template <class Bits>
void little_endian(std::string& out, Bits bits) {
  for (std::size_t i = 0; i < sizeof(Bits); ++i) out += static_cast<char>(bits >> (8 * i) & 0xff);
}

std::string integer(int field, std::uint64_t value) {
  std::string out;
  varint(out, static_cast<std::uint64_t>(field) << 3);
  varint(out, value);
  return out;
}

std::string real(int field, double value) {
  std::string out;
  varint(out, static_cast<std::uint64_t>(field) << 3 | 1);
  little_endian(out, std::bit_cast<std::uint64_t>(value));
  return out;
}

std::string single(int field, float value) {
  std::string out;
  varint(out, static_cast<std::uint64_t>(field) << 3 | 5);
  little_endian(out, std::bit_cast<std::uint32_t>(value));
  return out;
}

std::string text_field(int field, std::string_view value) {
  std::string out;
  varint(out, static_cast<std::uint64_t>(field) << 3 | 2);
  varint(out, value.size());
  out += value;
  return out;
}

/// google.protobuf.Value
std::string parameter_value(const std::string& text) {
  if (text == "true" || text == "false") return integer(4, text == "true");
  if (const auto number = parse_double(text)) return real(2, *number);
  return text_field(3, text);
}

const std::array<std::uint32_t, 256>& crc_table() {
  static const std::array<std::uint32_t, 256> table = [] {
    std::array<std::uint32_t, 256> t{};
    for (std::uint32_t i = 0; i < 256; ++i) {
      std::uint32_t c = i;
      for (int bit = 0; bit < 8; ++bit) c = c >> 1 ^ (c & 1 ? 0x82f63b78U : 0);
      t[i] = c;
    }
    return t;
  }();
  return table;
}

void add_epochs(EventFile& file, const std::vector<train::EpochResult>& epochs) {
  for (const train::EpochResult& e : epochs) {
    file.scalar("loss/train", e.epoch, e.train_loss);
    file.scalar("loss/validation", e.epoch, e.valid.loss);
    file.scalar("validation/accuracy", e.epoch, e.valid.accuracy);
    file.scalar("validation/macro_f1", e.epoch, e.valid.macro_f1);
  }
}

std::string padded(std::int64_t number, std::size_t digits) {
  const std::string text = std::to_string(number);
  return text.size() < digits ? std::string(digits - text.size(), '0') + text : text;
}

void save(const EventFile& file, const std::filesystem::path& folder, std::int64_t date) {
  make_folder(folder);
  write_file_atomic(folder / ("events.out.tfevents." + padded(date, 10) + ".lathe"), file.bytes());
}

EventFile trial_file(const RunResults& r, const TrialRow& t, std::int64_t date) {
  EventFile file(static_cast<double>(date));
  file.start(t.parameters, str("trial ", t.number));
  for (std::size_t i = 0; i < t.curve.size(); ++i)
    file.scalar("search/" + r.study.metric, static_cast<std::int64_t>(i + 1), t.curve[i]);
  add_epochs(file, t.epochs);
  if (t.value) file.scalar("result/" + r.study.metric, 0, *t.value);
  file.scalar("cost/params", 0, static_cast<double>(t.params));
  file.scalar("cost/flops", 0, static_cast<double>(t.flops));
  file.scalar("cost/memory", 0, static_cast<double>(t.memory));
  if (t.latency_ms) file.scalar("cost/latency_ms", 0, *t.latency_ms);
  for (const auto& [name, value] : t.measures) file.scalar("measure/" + name, 0, value);
  if (t.state == TrialState::failed)
    file.end(EventFile::Status::failure);
  else if (t.state != TrialState::running)
    file.end(EventFile::Status::success);
  return file;
}

}  // namespace

std::uint32_t masked_crc32c(std::string_view text) {
  std::uint32_t c = 0xffffffff;
  for (const char byte : text) c = crc_table()[(c ^ static_cast<unsigned char>(byte)) & 0xff] ^ c >> 8;
  c ^= 0xffffffff;
  return std::rotr(c, 15) + 0xa282ead8U;
}

EventFile::EventFile(double wall_time) : wall_time_(wall_time) { event(text_field(3, "brain.Event:2")); }

void EventFile::event(std::string_view fields) {
  const std::string message = real(1, wall_time_) + std::string(fields);
  std::string length;
  little_endian(length, static_cast<std::uint64_t>(message.size()));
  bytes_ += length;
  little_endian(bytes_, masked_crc32c(length));
  bytes_ += message;
  little_endian(bytes_, masked_crc32c(message));
}

void EventFile::scalar(std::string_view tag, std::int64_t step, double value) {
  const std::string entry = text_field(1, tag) + single(2, static_cast<float>(value));
  event(integer(2, static_cast<std::uint64_t>(step)) + text_field(5, text_field(1, entry)));
}

void EventFile::hparams(std::string_view tag, std::string_view content) {
  const std::string plugin = text_field(1, "hparams") + text_field(2, content);
  const std::string empty_tensor = integer(1, 1) + text_field(2, "");  // dtype float, a shape without dimensions
  event(text_field(5, text_field(1, text_field(1, tag) + text_field(8, empty_tensor) + text_field(9, text_field(1, plugin)))));
}

void EventFile::start(const std::vector<std::pair<std::string, std::string>>& parameters, std::string_view group) {
  std::string info;
  for (const auto& [name, value] : parameters) info += text_field(1, text_field(1, name) + text_field(2, parameter_value(value)));
  info += text_field(4, group) + real(5, wall_time_);
  hparams("_hparams_/session_start_info", text_field(3, info));
}

void EventFile::end(Status status) {
  hparams("_hparams_/session_end_info", text_field(4, integer(1, static_cast<std::uint64_t>(status)) + real(2, wall_time_)));
}

void write_tensorboard(const RunResults& r, const std::filesystem::path& folder, std::int64_t date) {
  for (const TrialRow& t : r.trials) save(trial_file(r, t, date), folder / ("trial-" + padded(t.number, 4)), date);
  for (const ModelRow& m : r.models)
    for (std::size_t seed = 0; seed < m.curves.size(); ++seed) {
      EventFile file(static_cast<double>(date));
      const std::string name = m.name.starts_with("#") ? m.name.substr(1) : m.name;
      file.start(m.parameters, "finalist " + name);
      add_epochs(file, m.curves[seed]);
      file.end(m.curves[seed].empty() ? EventFile::Status::failure : EventFile::Status::success);
      save(file, folder / str("finalist-", name, "-seed-", seed + 1), date);
    }
}

}  // namespace lathe::nas
