// A slicing supernet: one set of weights from which every architecture of a space takes its own (after HAT, Wang et al. 2020, and
// AutoFormer, Chen et al. 2021).
//
// The whole network has the most layers, the greatest width, and in each layer the most heads, the greatest head size and
// feed-forward width that the space allows. A sub-network takes the leading part of everything:
//   depth               its L layers are the first L; the norm behind the last layer is shared by all depths
//   hidden D            the first D elements of embeddings, positions, norms, and of each product's rows or columns
//   heads H, size d     the first H heads, and of each the first d columns: whole.qkv is [3, heads, size, D], whole.out [D, heads,
//   size].
//                       With one head size, heads are shared whole; where it follows hidden / heads, a head's leading columns are
//   feed-forward F      the first F rows of `in`, columns of `out`
//   activation          has no weights
// Norms compute their statistics over the active elements alone: a sub-network is an ordinary nn::Classifier on a copy of its
// slices, with all the speed and the bits of one that was never part of anything.
#pragma once
#include <lathe/nn/transformer.h>

#include <array>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace lathe::nas {

/// Numbers of a parameter of the whole network, row-major.
struct WeightView {
  const float* values = nullptr;
  Shape shape;
};
using WeightSource = std::function<WeightView(const std::string& name)>;

/// Where a sub-network's parameter lies in the whole one's: the leading part of up to four dimensions.
class Slice {
 public:
  /// `name` as in nn::Classifier. InputError: `part` is larger than `whole` somewhere.
  Slice(const std::string& name, const nn::TransformerConfig& whole, const Shape& whole_shape, const nn::TransformerConfig& part,
        const Shape& part_shape);
  void copy(const float* whole, float* part) const;
  void add(const float* part, float* whole) const;  ///< whole[slice] += part

 private:
  template <class F>
  void rows(F&& f) const;
  std::array<Index, 4> whole_{1, 1, 1, 1}, part_{1, 1, 1, 1};
};

/// InputError naming what of `part` does not lie in `whole`: a size that is greater, or anything that is not sliced (vocabulary,
/// norms, positions, pooling, …) and differs.
void check_part(const nn::TransformerConfig& whole, const nn::TransformerConfig& part);

/// A classifier on a copy of its slices. InputError as check_part().
nn::Classifier sliced(Context& context, const nn::TransformerConfig& whole, const WeightSource& weights,
                      const nn::TransformerConfig& part);

/// Weights of a whole network, of no Context: any number of threads may take sub-networks from it at the same time.
class Supernet {
 public:
  struct Weight {
    std::string name;
    Shape shape;
    std::vector<float> values;
  };
  /// InputError: not the parameters of nn::Classifier(whole), in their order.
  Supernet(nn::TransformerConfig whole, std::vector<Weight> weights);

  nn::Classifier network(Context& context, const nn::TransformerConfig& part) const;
  const nn::TransformerConfig& whole() const { return whole_; }
  const std::vector<Weight>& weights() const { return weights_; }
  /// train::weights_hash of the whole network.
  const std::string& hash() const { return hash_; }

 private:
  nn::TransformerConfig whole_;
  std::vector<Weight> weights_;
  std::map<std::string, std::size_t, std::less<>> index_;
  std::string hash_;
};

}  // namespace lathe::nas
