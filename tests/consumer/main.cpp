// What an embedding program does: a gradient, a search, a refusal.
#include <lathe/autograd/functions.h>
#include <lathe/base/error.h>
#include <lathe/nas/executor.h>
#include <lathe/nas/storage/memory.h>
#ifdef WITH_SQLITE
#include <lathe/nas/storage/sqlite.h>
#endif
#ifdef WITH_DEPLOY
#include <lathe/deploy/model.h>
#endif

#include <cstdio>

int main() {
  lathe::Context context({.threads = 2});
  const lathe::Var w(lathe::Tensor::full(context, {2}, 3), true, "w");
  lathe::sum(lathe::mul(w, w)).backward();
  if (w.grad().to_vector<float>() != std::vector<float>{6, 6}) return 1;

  lathe::nas::StudyHeader header;
  header.space = lathe::nas::SpaceBuilder().real("x", -1, 1).build();
  header.trials = 20;
  const auto objective = lathe::nas::objective_of([](const lathe::nas::Point& p) { return -p.real("x") * p.real("x"); });
  const auto storage = lathe::nas::memory_storage(header);
  const lathe::nas::StudyRun run = lathe::nas::execute(header, *objective, *storage, {.workers = 2});
  if (!run.finished || run.hash.size() != 64) return 2;
#ifdef WITH_SQLITE
  try {
    lathe::nas::sqlite_backend("no-such.db", false);
    return 3;
  } catch (const lathe::InputError&) {
  }
#endif
#ifdef WITH_DEPLOY
  try {
    lathe::deploy::Model::load("no-such-model");
    return 4;
  } catch (const lathe::InputError& error) {
    std::printf("%s\n", error.what());
  }
#endif
  return 0;
}
