#include <dlfcn.h>
#include <lathe/base/error.h>
#include <lathe/base/text.h>
#include <lathe/tensor/onednn/product.h>

#include <cstdint>
#include <mutex>
#include <oneapi/dnnl/dnnl.hpp>
#include <unordered_map>
#include <utility>
#include <vector>

namespace lathe::onednn {
namespace {

using Desc = dnnl::memory::desc;
using MatmulDesc = dnnl::matmul::primitive_desc;

// A product runs on the thread that asks for it: lathe's own threads share the work (table.cpp), and a second set of threads beside
// them would fight for the same cores. How many threads OpenMP may use is a property of each calling thread. Looked up by name, so
// that it is asked of the OpenMP that oneDNN itself is linked to, whichever that is. A oneDNN on TBB cannot be told.
class OneThread {
 public:
  OneThread() {
    if (!functions().get || !functions().set) return;
    const int now = functions().get();
    if (now == 1) return;
    functions().set(1);
    before_ = now;
  }
  ~OneThread() {
    if (before_ > 0) functions().set(before_);
  }
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

 private:
  struct Functions {
    int (*get)() = nullptr;
    void (*set)(int) = nullptr;
  };
  static const Functions& functions() {
    static const Functions found = [] {
      Functions f;
#if DNNL_CPU_THREADING_RUNTIME == DNNL_RUNTIME_OMP
      f.get = reinterpret_cast<int (*)()>(dlsym(RTLD_DEFAULT, "omp_get_max_threads"));
      f.set = reinterpret_cast<void (*)(int)>(dlsym(RTLD_DEFAULT, "omp_set_num_threads"));
#endif
      return f;
    }();
    return found;
  }
  int before_ = 0;
};

const dnnl::engine& engine() {
  static const dnnl::engine cpu(dnnl::engine::kind::cpu, 0);
  return cpu;
}

dnnl::stream& stream() {
  thread_local dnnl::stream own(engine());
  return own;
}

// f(), with oneDNN's errors as lathe's.
template <class F>
auto translated(F f) {
  try {
    return f();
  } catch (const dnnl::error& e) {
    throw InfrastructureError(str("[onednn] ", e.what(), " (status ", static_cast<int>(e.status), ")"));
  }
}

Desc matrix(Index rows, Index cols, Index ld, bool transposed) {
  using Dims = dnnl::memory::dims;
  return Desc(Dims{rows, cols}, dnnl::memory::data_type::f32, transposed ? Dims{1, ld} : Dims{ld, 1});
}

dnnl::algorithm algorithm_of(UnaryOp op) {
  switch (op) {
    case UnaryOp::kGelu:
      return dnnl::algorithm::eltwise_gelu_erf;
    case UnaryOp::kGeluTanh:
      return dnnl::algorithm::eltwise_gelu_tanh;
    case UnaryOp::kRelu:
      return dnnl::algorithm::eltwise_relu;
    case UnaryOp::kSilu:
      return dnnl::algorithm::eltwise_swish;
    default:
      return dnnl::algorithm::undef;
  }
}

void append_activation(dnnl::post_ops& steps, UnaryOp op) {
  const float alpha = op == UnaryOp::kSilu ? 1.0f : 0.0f;  // silu is swish of slope 1, relu a leaky one of slope 0
#if DNNL_VERSION_MAJOR >= 3
  steps.append_eltwise(algorithm_of(op), alpha, 0.0f);
#else
  steps.append_eltwise(1.0f, algorithm_of(op), alpha, 0.0f);
#endif
}

class Matmul final : public Product {
 public:
  explicit Matmul(const ProductKey& key) {
    const Desc a = matrix(key.m, key.k, key.lda, key.a_transposed), b = matrix(key.k, key.n, key.ldb, key.b_transposed);
    const Desc c = matrix(key.m, key.n, key.ldc, false), bias = matrix(1, key.n, key.n, false);
    dnnl::post_ops steps;
    if (key.accumulate) steps.append_sum();
    if (key.activation != UnaryOp::kNone) append_activation(steps, key.activation);
    if (key.multiplier) multiplier_ = append_binary(steps, dnnl::algorithm::binary_mul, c);
    if (key.residual) residual_ = append_binary(steps, dnnl::algorithm::binary_add, c);
    dnnl::primitive_attr attributes;
    attributes.set_post_ops(steps);
    attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
    attributes.set_fpmath_mode(dnnl::fpmath_mode::strict);  // never bf16 in the place of f32, whatever the environment says
#if DNNL_VERSION_MAJOR >= 3
    const MatmulDesc made = key.bias ? MatmulDesc(engine(), a, b, bias, c, attributes) : MatmulDesc(engine(), a, b, c, attributes);
#else
    using Operation = dnnl::matmul::desc;
    const MatmulDesc made(key.bias ? Operation(a, b, bias, c) : Operation(a, b, c), attributes, engine());
#endif
    primitive_ = dnnl::matmul(made);
    a_ = a, b_ = b, c_ = c, bias_ = bias;
    scratch_ = made.scratchpad_desc();
  }

  std::size_t scratch_bytes() const override { return scratch_.get_size(); }

  void run(const ProductOperands& o, void* scratch) const override {
    const OneThread scope;
    translated([&] {
      std::unordered_map<int, dnnl::memory> arguments;
      const auto bind = [&](int role, const Desc& desc, const void* data) {  // const_cast: oneDNN's handles know no const
        if (data) arguments.emplace(role, dnnl::memory(desc, engine(), const_cast<void*>(data)));
      };
      bind(DNNL_ARG_SRC, a_, o.a);
      bind(DNNL_ARG_WEIGHTS, b_, o.b);
      bind(DNNL_ARG_DST, c_, o.c);
      bind(DNNL_ARG_BIAS, bias_, o.bias);
      bind(DNNL_ARG_ATTR_MULTIPLE_POST_OP(multiplier_) | DNNL_ARG_SRC_1, c_, o.multiplier);
      bind(DNNL_ARG_ATTR_MULTIPLE_POST_OP(residual_) | DNNL_ARG_SRC_1, c_, o.residual);
      if (scratch_bytes() > 0) bind(DNNL_ARG_SCRATCHPAD, scratch_, scratch);
      primitive_.execute(stream(), arguments);
      stream().wait();
    });
  }

 private:
  // The number that the step has among the steps.
  static int append_binary(dnnl::post_ops& steps, dnnl::algorithm algorithm, const Desc& desc) {
    steps.append_binary(algorithm, desc);
    return steps.len() - 1;
  }

  dnnl::matmul primitive_;
  Desc a_, b_, c_, bias_, scratch_;
  int multiplier_ = 0, residual_ = 0;
};

struct KeyHash {
  std::size_t operator()(const ProductKey& key) const {
    std::uint64_t h = 0;
    const int flags = key.a_transposed | key.b_transposed << 1 | key.accumulate << 2 | key.bias << 3 | key.multiplier << 4 |
                      key.residual << 5 | (static_cast<int>(key.activation) + 1) << 6;
    for (const Index value : {key.m, key.n, key.k, key.lda, key.ldb, key.ldc, Index{flags}})
      h = (h ^ static_cast<std::uint64_t>(value)) * 0x9E3779B97F4A7C15u, h ^= h >> 32;
    return static_cast<std::size_t>(h);
  }
};

struct Cache {
  // Shapes change with the lengths of texts; a search meets many architectures. Beyond this the cache starts anew: what is in use
  // comes back at once, and no order of use must be kept.
  static constexpr std::size_t kLargest = 4096;
  std::mutex mutex;
  std::unordered_map<ProductKey, std::shared_ptr<const Product>, KeyHash> products;
};

// Never destroyed: a thread may still compute while the program ends.
Cache& cache() {
  static Cache& kept = *new Cache;
  return kept;
}

}  // namespace

bool fuses(UnaryOp op) { return algorithm_of(op) != dnnl::algorithm::undef; }

std::shared_ptr<const Product> Product::get(const ProductKey& key) {
  Cache& kept = cache();
  {
    const std::lock_guard lock(kept.mutex);
    if (const auto found = kept.products.find(key); found != kept.products.end()) return found->second;
  }
  const OneThread scope;  // a primitive is compiled for the number of threads at hand
  auto made = translated([&] { return std::make_shared<const Matmul>(key); });
  const std::lock_guard lock(kept.mutex);
  if (kept.products.size() >= Cache::kLargest) kept.products.clear();
  return kept.products.emplace(key, std::move(made)).first->second;
}

std::string version() {
  const dnnl_version_t* v = dnnl_version();
  return str(v->major, ".", v->minor, ".", v->patch);
}

bool runs_here() {
  static const bool computes = [] {
    try {
      const float a = 2, b = 3;
      float c = 0;
      ProductKey key;
      key.m = key.n = key.k = key.lda = key.ldb = key.ldc = 1;
      const std::shared_ptr<const Product> product = Product::get(key);
      std::vector<char> scratch(product->scratch_bytes());
      ProductOperands operands;
      operands.a = &a, operands.b = &b, operands.c = &c;
      product->run(operands, scratch.data());
      return c == 6;
    } catch (const std::exception&) {
      return false;
    }
  }();
  return computes;
}

}  // namespace lathe::onednn
