// One matrix product by oneDNN's matmul primitive, run on the calling thread alone. oneDNN 2.6 and 3.x; its headers are seen by
// product.cpp only.
//
// Creating a primitive compiles machine code and takes longer than many a product, so primitives are kept, for all threads
// together, under everything that they were compiled for.
#pragma once
#include <lathe/tensor/kernels.h>

#include <cstddef>
#include <memory>
#include <string>

namespace lathe::onednn {

/// C[m, n] = act(A[m, k] · B[k, n] (+ old C) (+ bias)) (· multiplier) (+ residual), in this order; m, n, k > 0. A matrix of r rows
/// and c columns has element (i, j) at i · ld + j with ld ≥ c, or, transposed, at i + j · ld with ld ≥ r. C is not transposed;
/// multiplier and residual lie as C does.
struct ProductKey {
  Index m = 0, n = 0, k = 0;
  Index lda = 0, ldb = 0, ldc = 0;
  bool a_transposed = false, b_transposed = false;
  bool accumulate = false, bias = false, multiplier = false, residual = false;
  UnaryOp activation = UnaryOp::kNone;  ///< one that fuses()
  bool operator==(const ProductKey&) const = default;
};

/// Has oneDNN this function as a step behind a product? (Of value alone: it saves no derivative.)
bool fuses(UnaryOp op);

struct ProductOperands {
  const float *a = nullptr, *b = nullptr;
  const float *bias = nullptr, *multiplier = nullptr, *residual = nullptr;  ///< where the key says so
  float* c = nullptr;
};

/// A compiled product. May be run by several threads at once.
class Product {
 public:
  /// The kept one, or a new one. InfrastructureError with oneDNN's own words if it cannot make it.
  static std::shared_ptr<const Product> get(const ProductKey& key);

  virtual ~Product() = default;
  Product(const Product&) = delete;
  Product& operator=(const Product&) = delete;

  virtual std::size_t scratch_bytes() const = 0;
  virtual void run(const ProductOperands& operands, void* scratch) const = 0;

 protected:
  Product() = default;
};

/// Can oneDNN compute on this machine? Some of its builds need a runtime that may be missing.
bool runs_here();

/// "3.2.1": other versions compute other bits.
std::string version();

}  // namespace lathe::onednn
