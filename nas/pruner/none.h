// none@1: never stops a trial. No settings.
#pragma once
#include <lathe/nas/pruner/pruner.h>

namespace lathe::nas {

class NoPruner final : public Pruner {
 public:
  bool stops(const History&, const Trial&) override { return false; }
};

}  // namespace lathe::nas
