// lathe profile: what a model costs, part by part, foretold and measured.
#include <lathe/base/error.h>
#include <lathe/base/text.h>
#include <lathe/cli/commands.h>
#include <lathe/cli/format.h>
#include <lathe/cli/model_config.h>
#include <lathe/cli/run.h>
#include <lathe/cli/session.h>
#include <lathe/cli/signals.h>
#include <lathe/deploy/model.h>
#include <lathe/nas/transformer/profile.h>

#include <algorithm>
#include <filesystem>

namespace lathe::cli {
namespace {

namespace fs = std::filesystem;
using Align = TextTable::Align;

/// Beside a model folder: what says how to compute, nothing else.
Config settings_of(Invocation& invocation) {
  for (const char* option : {"--set", "--config", "--classes"})
    if (invocation.has(option)) throw InputError(str(option, ": a model folder is what it is; give a configuration instead"));
  Config config;
  config.read_environment([&](const char* name) -> const char* {
    static thread_local std::string value;
    value = invocation.console().environment(name);
    return value.empty() ? nullptr : value.c_str();
  });
  for (const auto& [option, key] : {std::pair("--threads", "run.threads"), std::pair("--backend", "run.backend")})
    if (invocation.has(option)) config.set_option(key, invocation.value(option), option);
  return config;
}

/// The architecture of a model folder, or of [model]; threads, backend and optimizer of the configuration in force.
nas::ProfileRequest request_of(Invocation& invocation) {
  const std::string& place = invocation.arguments()[0];
  const bool folder = fs::is_directory(place);
  if (!folder && fs::path(place).extension() != ".toml")
    throw InputError(place + ": expected a model folder, or a configuration (.toml)" +
                     (fs::exists(place) ? "" : "; there is none"));
  const Config config = folder ? settings_of(invocation) : configuration(invocation, place);
  nas::ProfileRequest request;
  if (folder) {
    request.architecture = deploy::Model::load(place).info().architecture;
  } else {
    const nas::TaskShape task{.vocab_size = config.integer("tokenizer.vocab"),
                              .max_tokens = config.integer("data.max_tokens"),
                              .classes = invocation.integer("--classes", 2, 1)};
    request.architecture = base_candidate(config).architecture(task);
  }
  request.load.batch = invocation.integer("--batch", 1, 1);
  request.load.tokens = invocation.integer("--tokens", std::min<std::int64_t>(32, request.architecture.max_tokens), 1);
  request.load.threads = thread_count(config);
  request.backend = backend_name(config);
  request.make_update = nas::update_of(base_candidate(config).training);
  return request;
}

std::string time_text(std::int64_t ns) {
  if (ns < 1'000'000) return fixed(static_cast<double>(ns) / 1e3, 1) + " us";
  return fixed(static_cast<double>(ns) / 1e6, 2) + " ms";
}

std::string parts_table(const nas::ModelProfile& profile) {
  TextTable table({{"part"},
                   {"params", Align::right},
                   {"FLOPs", Align::right},
                   {"training", Align::right},
                   {"weights", Align::right},
                   {"working", Align::right},
                   {"kept", Align::right},
                   {"latency", Align::right}});
  std::int64_t weights = 0, working = 0, kept = 0, ns = 0;
  for (std::size_t i = 0; i < profile.parts.size(); ++i) {
    const nn::PartCost& part = profile.parts[i];
    const std::int64_t own = part.parameter_bytes + part.packed_bytes + part.state_bytes;
    const bool computes = part.inference_flops.total() > 0 || part.working_bytes > 0;
    table.add({part.name, format_count(part.parameters), format_count(part.inference_flops.total()),
               format_count(part.training_flops.total()), format_bytes(own), format_bytes(part.working_bytes),
               format_bytes(part.kept_bytes), computes ? time_text(profile.part_ns[i]) : ""});
    weights += own;
    working = std::max(working, part.working_bytes);
    kept += part.kept_bytes;
    ns += profile.part_ns[i];
  }
  table.add({"all", format_count(profile.cost.parameters), format_count(profile.cost.inference_flops.total()),
             format_count(profile.cost.training_flops.total()), format_bytes(weights), format_bytes(working), format_bytes(kept),
             time_text(ns)});
  return table.text();
}

std::string classes_table(const nn::Cost& cost) {
  TextTable table({{"FLOPs of"}, {"inference", Align::right}, {"training", Align::right}});
  for (int i = 0; i < static_cast<int>(OpClass::kCount); ++i) {
    const auto op_class = static_cast<OpClass>(i);
    if (cost.inference_flops.of(op_class) + cost.training_flops.of(op_class) > 0)
      table.add({name_of(op_class), with_commas(cost.inference_flops.of(op_class)), with_commas(cost.training_flops.of(op_class))});
  }
  table.add({"all", with_commas(cost.inference_flops.total()), with_commas(cost.training_flops.total())});
  return table.text();
}

std::string load_text(const nas::ProfileRequest& request, const nas::ModelProfile& profile) {
  return str("batch of ", request.load.batch, " x ", plural(request.load.tokens, "token"), ", ",
             plural(request.load.threads, "thread"), ", backend ", profile.backend);
}

void print_text(Console& console, const nas::ProfileRequest& request, const nas::ModelProfile& profile) {
  const nas::LatencyMeasurement& latency = profile.latency;
  console.result(str("model    ", request.architecture.summary(), "\nload     ", load_text(request, profile), "\n\n"));
  console.result(parts_table(profile) + "\n" + classes_table(profile.cost) + "\n");
  console.result(str("params   ", with_commas(profile.cost.parameters), " (", format_bytes(profile.cost.parameter_bytes), ")\n"));
  console.result(str("latency  p50 ", time_text(latency.p50_ns), ", p95 ", time_text(latency.p95_ns), " of ",
                     plural(latency.calls, "call"), "\n"));
  const auto memory = [&](const char* what, std::int64_t foretold, std::int64_t measured) {
    console.result(str("memory   ", what, " ", with_commas(foretold), " bytes foretold, ", with_commas(measured), " measured\n"));
  };
  memory("inference", profile.cost.inference_peak_bytes, profile.inference_peak_bytes);
  memory("training ", profile.cost.training_peak_bytes, profile.training_peak_bytes);
}

void write_flops(JsonWriter& json, const char* name, const FlopCounter& flops) {
  json.key(name).begin_object().member("all", flops.total());
  for (int i = 0; i < static_cast<int>(OpClass::kCount); ++i)
    json.member(name_of(static_cast<OpClass>(i)), flops.of(static_cast<OpClass>(i)));
  json.end_object();
}

void print_json(Console& console, const nas::ProfileRequest& request, const nas::ModelProfile& profile) {
  for (std::size_t i = 0; i < profile.parts.size(); ++i)
    console.json_line("part", [&](JsonWriter& json) {
      const nn::PartCost& part = profile.parts[i];
      json.member("name", part.name).member("params", part.parameters);
      write_flops(json, "inference_flops", part.inference_flops);
      write_flops(json, "training_flops", part.training_flops);
      json.member("parameter_bytes", part.parameter_bytes).member("packed_bytes", part.packed_bytes);
      json.member("working_bytes", part.working_bytes).member("kept_bytes", part.kept_bytes);
      json.member("state_bytes", part.state_bytes).member("p50_ns", profile.part_ns[i]);
    });
  console.json_line("profile", [&](JsonWriter& json) {
    json.key("architecture").raw(request.architecture.to_json());
    json.member("batch", request.load.batch).member("tokens", request.load.tokens).member("threads", request.load.threads);
    json.member("backend", profile.backend).member("params", profile.cost.parameters);
    write_flops(json, "inference_flops", profile.cost.inference_flops);
    write_flops(json, "training_flops", profile.cost.training_flops);
    json.member("inference_peak_bytes", profile.cost.inference_peak_bytes);
    json.member("measured_inference_peak_bytes", profile.inference_peak_bytes);
    json.member("training_peak_bytes", profile.cost.training_peak_bytes);
    json.member("measured_training_peak_bytes", profile.training_peak_bytes);
    json.member("p50_ns", profile.latency.p50_ns).member("p95_ns", profile.latency.p95_ns);
    json.member("calls", profile.latency.calls).member("drifts", profile.latency.reference.drifts());
  });
}

int run_profile(Invocation& invocation) {
  Console& console = invocation.console();
  nas::ProfileRequest request = request_of(invocation);
  const StopSignals signals;
  request.stop = signals.flag();
  nas::ModelProfile profile;
  try {
    profile = nas::profile_model(request);
  } catch (const nas::Interrupted&) {
    throw StoppedByUser("stopped while measuring");
  }
  if (console.json())
    print_json(console, request, profile);
  else
    print_text(console, request, profile);
  if (profile.latency.reference.drifts())
    console.warn("the machine drifted while latency was measured: other programs ran, or its clock rate changed");
  return kDone;
}

}  // namespace

Command profile_command() {
  Command c;
  c.name = "profile";
  c.summary = "what a model costs: parameters, FLOPs, memory, latency";
  c.arguments = "MODEL|CONFIG";
  c.min_arguments = c.max_arguments = 1;
  c.examples = {"lathe profile runs/reviews-1/model --threads 1", "lathe profile model.toml --batch 32 --tokens 64 --json"};
  c.about =
      "Of a model folder, or of the architecture that [model] of a configuration describes. Parameters, FLOPs and memory follow "
      "from "
      "shapes and are exact, for every part and in sum; beside them stand the latency of one batch (median and 95th percentile; "
      "each "
      "part alone) and the allocator's high-water mark, measured.\n"
      "\n"
      "Columns: weights are parameters, the copies in the order in which products read them, and the optimizer's state; working is "
      "what a part holds while it answers; kept is what training keeps of its forward pass for one group of tokens.";
  c.options = {{"--batch", "N", "texts answered at a time (1)", ""},
               {"--tokens", "N", "length of each (32)", ""},
               {"--classes", "N", "labels of a model from a configuration (2)", ""}};
  c.groups = kConfigGroup | kEngineGroup;
  c.run = run_profile;
  return c;
}

}  // namespace lathe::cli
