// Event files: the checksum's published values, bytes that depend on nothing but the record, and TensorBoard reading them.
#include <lathe/base/file.h>
#include <lathe/nas/transformer/tensorboard.h>

#include "sample.h"

#include <doctest/doctest.h>

#include "tests/storage/python.h"
#include "tests/support/folder.h"

using namespace lathe;
using namespace lathe::nas;

namespace {

RunResults record() {
  RunResults r = sample_results();
  r.trials[0].epochs = {sample_epoch(1, 0.7, false), sample_epoch(2, 0.84, true)};
  r.trials[0].parameters = {{"layers", "2"}, {"lr", "0.001"}, {"norm", "rms"}, {"tie", "true"}};
  r.trials[0].latency_ms = 4.25;
  return r;
}

// TensorBoard's own reader and its HParams plug-in say what was written.
const char* const kCheck = R"py(
import os, sys
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import metadata
folder = sys.argv[1]
a = EventAccumulator(os.path.join(folder, "trial-0000"))
a.Reload()
assert a.file_version == 2.0, a.file_version
scalars = set(a.Tags()["scalars"])
assert {"search/accuracy", "loss/train", "loss/validation", "validation/accuracy", "validation/macro_f1", "result/accuracy",
        "cost/params", "cost/latency_ms"} <= scalars, scalars
curve = a.Scalars("search/accuracy")
assert [(s.step, round(s.value, 5)) for s in curve] == [(1, 0.7), (2, 0.84)], curve
assert all(s.wall_time == 1700000000.0 for s in curve), curve
assert a.Scalars("cost/latency_ms")[0].value == 4.25
content = a.summary_metadata["_hparams_/session_start_info"].plugin_data.content
info = metadata.parse_session_start_info_plugin_data(content)
got = {k: v.number_value if v.HasField("number_value") else v.bool_value if v.HasField("bool_value") else v.string_value
       for k, v in info.hparams.items()}
assert got == {"layers": 2.0, "lr": 0.001, "norm": "rms", "tie": True}, got
end = metadata.parse_session_end_info_plugin_data(a.summary_metadata["_hparams_/session_end_info"].plugin_data.content)
assert end.status == 1, end
failed = EventAccumulator(os.path.join(folder, "trial-0002"))
failed.Reload()
end = metadata.parse_session_end_info_plugin_data(failed.summary_metadata["_hparams_/session_end_info"].plugin_data.content)
assert end.status == 2, end

# The back end that fills the HParams page.
from tensorboard.backend.event_processing import plugin_event_multiplexer, data_provider
from tensorboard.plugins import base_plugin
from tensorboard.plugins.hparams import api_pb2, backend_context, get_experiment, list_session_groups
from tensorboard import context
multiplexer = plugin_event_multiplexer.EventMultiplexer()
multiplexer.AddRunsFromDirectory(folder)
multiplexer.Reload()
provider = data_provider.MultiplexerDataProvider(multiplexer, folder)
ctx = backend_context.Context(base_plugin.TBContext(data_provider=provider))
request = context.RequestContext()
experiment = ctx.experiment_from_metadata(request, "", True, ctx.hparams_metadata(request, ""),
                                          ctx.hparams_from_data_provider(request, "", 100))
names = {h.name for h in experiment.hparam_infos}
assert {"layers", "lr", "norm", "tie"} <= names, names
runs = os.listdir(folder)
assert sorted(runs) == sorted(multiplexer.Runs()), runs
print("TensorBoard reads", len(runs), "runs with parameters", sorted(names))
)py";

}  // namespace

TEST_CASE("CRC-32C: the check value of the polynomial and the zeros of RFC 3720, masked") {
  const auto unmasked = [](std::string_view text) {
    const std::uint32_t turned = masked_crc32c(text) - 0xa282ead8U;
    return turned << 15 | turned >> 17;
  };
  CHECK(unmasked("123456789") == 0xe3069283U);
  CHECK(unmasked(std::string(32, '\0')) == 0x8a9136aaU);
  CHECK(unmasked(std::string(32, '\xff')) == 0x62a8ab43U);
  CHECK(unmasked("") == 0);
}

TEST_CASE("a file begins with its version and is the same for the same record") {
  const EventFile file(1.5);
  REQUIRE(file.bytes().size() == 8 + 4 + 24 + 4);
  CHECK(file.bytes().substr(0, 8) == std::string("\x18\0\0\0\0\0\0\0", 8));
  CHECK(file.bytes().substr(12, 9) == std::string("\x09\0\0\0\0\0\0\xf8\x3f", 9));
  CHECK(file.bytes().substr(21, 15) ==
        "\x1a\x0d"
        "brain.Event:2");
  const test::TemporaryFolder one, two;
  write_tensorboard(record(), one.path());
  write_tensorboard(record(), two.path());
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(one.path())) {
    if (!entry.is_regular_file()) continue;
    ++files;
    CHECK(read_file(entry.path()) == read_file(two.path() / std::filesystem::relative(entry.path(), one.path())));
  }
  CHECK(files == 4 + 6);  // four trials, three models of two trainings
}

TEST_CASE("TensorBoard reads scalars and parameters") {
  if (!test::python_runs("import tensorboard")) {
    MESSAGE("SKIPPED: no Python with tensorboard (LATHE_PYTHON, or test.sh makes build/python)");
    return;
  }
  const test::TemporaryFolder folder;
  write_tensorboard(record(), folder / "tb", 1'700'000'000);
  CHECK(test::run_python(folder.path(), kCheck, {(folder / "tb").string()}) == 0);
}

TEST_CASE("the Hub's own reader finds the result in the model card") {
  if (!test::python_runs("import huggingface_hub")) {
    MESSAGE("SKIPPED: no Python with huggingface_hub (LATHE_PYTHON, or test.sh makes build/python)");
    return;
  }
  const test::TemporaryFolder folder;
  write_file_atomic(folder / "README.md", model_card(record(), "mit"));
  CHECK(test::run_python(folder.path(), R"py(
import sys
from huggingface_hub import ModelCard
card = ModelCard.load(sys.argv[1])
data = card.data
assert data.license == "mit" and data.library_name == "lathe" and data.pipeline_tag == "text-classification", data
assert data.model_name == "reviews", data.model_name
(result,) = data.eval_results
assert result.task_type == "text-classification" and result.metric_type == "accuracy", result
assert result.metric_value == 0.842 and result.dataset_split == "test", result
assert result.dataset_name == "reviews & <b>.tsv", result
# Written again by the Hub's library, it says the same.
again = ModelCard(str(card))
assert again.data.to_dict() == data.to_dict()
assert "## Architecture" in card.text and "## Limits" in card.text
print("huggingface_hub reads", result.metric_name, result.metric_value)
)py",
                         {(folder / "README.md").string()}) == 0);
}
