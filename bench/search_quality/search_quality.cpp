// The lathe side of the search-quality benchmark; compare.py drives it and Optuna.
//
//   bench_search_quality space PROBLEM [TABLE.csv]
//       one line of JSON: space, names of objectives and constraints, optimum, reference
//   bench_search_quality serve PROBLEM [TABLE.csv]
//       answers each line of standard input, a point as JSON, by {"values", "constraints"}
//   bench_search_quality run PROBLEM SAMPLER TRIALS REPEATS [TABLE.csv]
//       SAMPLER may have settings, tpe:group=0. Studies with seeds 1 … REPEATS, one virtual worker each: a line of JSON with the
//       value after each trial (best so far, or hypervolume from the problem's reference; null before there is one) and seconds
//   bench_search_quality compare minimise|maximise
//       two lines of numbers on standard input, results of A's and of B's repeats; nas::compare() as one line of JSON
#include <lathe/base/error.h>
#include <lathe/base/json_writer.h>
#include <lathe/base/text.h>
#include <lathe/nas/comparison.h>
#include <lathe/nas/controller/controller.h>
#include <lathe/nas/executor.h>
#include <lathe/nas/sampler/sampler.h>
#include <lathe/nas/storage/memory.h>

#include <chrono>
#include <cstdio>
#include <iostream>

#include "problems.h"

namespace lathe::bench {
namespace {

void write_numbers(JsonWriter& json, const char* name, const std::vector<double>& numbers) {
  json.key(name).begin_array();
  for (const double number : numbers) json.value(number);
  json.end_array();
}

void print_line(const JsonWriter& json) {
  std::printf("%s\n", json.text().c_str());
  std::fflush(stdout);
}

void print_space(const Problem& problem) {
  JsonWriter json;
  json.begin_object().member("name", problem.name).key("space").raw(problem.space.json());
  for (const auto& [name, list] : {std::pair("metrics", problem.metrics), std::pair("constraints", problem.constraints)}) {
    json.key(name).begin_array();
    for (const std::string& item : list) json.value(item);
    json.end_array();
  }
  json.member("optimum", problem.optimum);
  write_numbers(json, "reference", problem.reference);
  print_line(json.end_object());
}

void serve(const Problem& problem) {
  for (std::string line; std::getline(std::cin, line);) {
    const Outcome outcome = problem.evaluate(problem.space.parse(line));
    JsonWriter json;
    json.begin_object();
    write_numbers(json, "values", outcome.values);
    write_numbers(json, "constraints", outcome.constraints);
    print_line(json.end_object());
  }
}

/// "tpe" or, with settings, "tpe:group=0,n_startup_trials=20".
void set_sampler(nas::StudyHeader& header, const std::string& text) {
  const std::size_t colon = text.find(':');
  header.sampler = nas::all_samplers().resolve(text.substr(0, colon));
  if (colon == std::string::npos) return;
  for (const std::string_view setting : split(std::string_view(text).substr(colon + 1), ',')) {
    const std::size_t equals = setting.find('=');
    const auto value = equals == std::string_view::npos ? std::nullopt : parse_double(setting.substr(equals + 1));
    if (!value) throw InputError(str("`", setting, "`, expected name=number"));
    header.sampler_settings[std::string(setting.substr(0, equals))] = *value;
  }
}

void run(const Problem& problem, const std::string& sampler, std::int64_t trials, std::int64_t repeats) {
  const auto objective = nas::objective_of([](const nas::Point&) { return nas::Plan(); },
                                           [&](const nas::Point& point, const nas::SegmentContext&, const nas::Checkpoint&) {
                                             Outcome outcome = problem.evaluate(point);
                                             nas::SegmentResult result;
                                             result.values = std::move(outcome.values);
                                             result.constraints = std::move(outcome.constraints);
                                             return result;
                                           });
  for (std::int64_t seed = 1; seed <= repeats; ++seed) {
    nas::StudyHeader header;
    header.space = problem.space;
    header.trials = trials;
    header.virtual_workers = 1;
    header.seed = static_cast<std::uint64_t>(seed);
    header.metrics = problem.metrics;
    header.constraints = problem.constraints;
    header.directions.assign(problem.metrics.size(), nas::Direction::minimise);
    set_sampler(header, sampler);
    const auto storage = nas::memory_storage(header);
    const auto start = std::chrono::steady_clock::now();
    nas::ExecutorOptions options;
    options.samplers = nas::all_samplers();
    const nas::StudyRun study = nas::execute(header, *objective, *storage, options);
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    JsonWriter json;
    json.begin_object().member("seed", seed).member("seconds", seconds);
    write_numbers(json, "progress", nas::progress(study.history, header.directions, problem.reference));
    print_line(json.end_object());
  }
}

void compare_lines(nas::Direction direction) {
  std::vector<double> sides[2];
  for (auto& side : sides) {
    std::string line;
    std::getline(std::cin, line);
    for (const std::string_view word : split(line, ' ')) {
      const auto number = parse_double(word);
      if (!number) throw InputError(str("`", word, "`, expected a number"));
      side.push_back(*number);
    }
  }
  const nas::Comparison found = nas::compare(sides[0], sides[1], direction);
  JsonWriter json;
  json.begin_object().member("median_a", found.median_a).member("median_b", found.median_b);
  for (const auto& [name, interval] : {std::pair("interval_a", found.interval_a), std::pair("interval_b", found.interval_b),
                                       std::pair("superiority_interval", found.superiority_interval)})
    write_numbers(json, name, {interval.low, interval.high});
  json.member("superiority", found.superiority).member("p_value", found.p_value);
  print_line(json.member("verdict", nas::verdict_name(found.verdict)).end_object());
}

int main_with(const std::vector<std::string>& words) {
  const auto word = [&](std::size_t i) { return i < words.size() ? words[i] : std::string(); };
  const auto positive = [&](std::size_t i) {
    const auto number = parse_int(word(i));
    if (!number || *number < 1) throw InputError(str("`", word(i), "`, expected a number of 1 or more"));
    return *number;
  };
  if (word(0) == "space" && words.size() >= 2) return print_space(problem(word(1), word(2))), 0;
  if (word(0) == "serve" && words.size() >= 2) return serve(problem(word(1), word(2))), 0;
  if (word(0) == "run" && words.size() >= 5) return run(problem(word(1), word(5)), word(2), positive(3), positive(4)), 0;
  if (word(0) == "compare" && (word(1) == "minimise" || word(1) == "maximise") && words.size() == 2)
    return compare_lines(word(1) == "minimise" ? nas::Direction::minimise : nas::Direction::maximise), 0;
  throw InputError(
      "usage: bench_search_quality space|serve PROBLEM [TABLE.csv], run PROBLEM SAMPLER TRIALS REPEATS [TABLE.csv], or compare "
      "minimise|maximise");
}

}  // namespace
}  // namespace lathe::bench

int main(int argc, char** argv) try { return lathe::bench::main_with({argv + 1, argv + argc}); } catch (const std::exception& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 2;
}
