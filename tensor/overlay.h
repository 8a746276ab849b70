// Overlays: a CPU table with its products, and the packing of weights for them, replaced. For backend.cpp; not for users.
#pragma once
#include <lathe/tensor/kernels.h>

namespace lathe {

/// What an overlay puts in the place of the kernels of the same names.
struct ProductKernels {
  Index (*packed_weight_size)(Index n, Index k);
  void (*pack_weight)(Exec&, const PackWeightArgs<float>&);
  void (*linear_fwd)(Exec&, const LinearFwdArgs<float>&);
  void (*linear_bwd_input)(Exec&, const LinearBwdInputArgs<float>&);
  void (*linear_bwd_weight)(Exec&, const LinearBwdWeightArgs<float>&);
  void (*matmul)(Exec&, const MatmulArgs<float>&);
};

}  // namespace lathe
