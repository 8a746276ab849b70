// The winner drawn as a network: blocks as wide as their vectors, from the text at the top to the label at the bottom.
#include <lathe/base/error.h>
#include <lathe/base/text.h>
#include <lathe/nas/transformer/report_page.h>
#include <lathe/nn/config_json.h>

#include <algorithm>

namespace lathe::nas {
namespace {

constexpr double kMiddle = 190, kWidest = 330, kNarrowest = 40, kBlock = 26, kGap = 14, kWide = 380;
constexpr Index kHeadsDrawn = 16;

bool same(const nn::TransformerConfig& c, std::size_t a, std::size_t b) {
  const nn::LayerConfig &x = c.layers[a], &y = c.layers[b];
  return x.heads == y.heads && c.head_dim(a) == c.head_dim(b) && x.ffn == y.ffn && x.activation == y.activation;
}

/// Draws from the top down.
class Diagram {
 public:
  explicit Diagram(const nn::TransformerConfig& c) : c_(c) {
    widest_ = std::max<Index>(c.hidden, 1);
    for (std::size_t i = 0; i < c.layers.size(); ++i)
      widest_ = std::max({widest_, c.layers[i].ffn, c.layers[i].heads * c.head_dim(i)});
  }

  std::string svg() {
    words(str("text, at most ", with_commas(c_.max_tokens), " tokens"));
    arrow();
    box(c_.hidden, str("embedding ", with_commas(c_.vocab_size), " × ", c_.hidden), "embedding");
    words(str(nn::name_of(c_.positions), " positions"));
    for (std::size_t i = 0; i < c_.layers.size();) {
      std::size_t end = i + 1;
      while (end < c_.layers.size() && same(c_, i, end)) ++end;
      arrow();
      layer(i, end);
      i = end;
    }
    arrow();
    box(c_.hidden, str(c_.pooling == nn::Pooling::kMean ? "mean of the tokens" : "first token", ", ", c_.hidden), "norm");
    arrow();
    box(std::max<Index>(c_.classes, 1), str(c_.classes, " labels"), "embedding");
    return str("<svg role=\"img\" class=\"network\" viewBox=\"0 0 ", px(kWide), " ", px(y_ + 6),
               "\"><title>The network</title><desc>", escape_html(c_.summary()), "</desc>\n", out_, "</svg>\n");
  }

 private:
  double width(Index columns) const {
    return std::max(kNarrowest, kWidest * static_cast<double>(columns) / static_cast<double>(widest_));
  }
  void text(double y, const std::string& line, const char* css = "") {
    out_ += str("<text class=\"", css, "\" x=\"", px(kMiddle), "\" y=\"", px(y), "\" text-anchor=\"middle\">", escape_html(line),
                "</text>\n");
  }
  void words(const std::string& line) {
    text(y_ + 15, line, "axis");
    y_ += 21;
  }
  void arrow() {
    out_ += str("<path class=\"flow\" d=\"M", px(kMiddle), " ", px(y_ + 1), "v", px(kGap - 3), "m-4 -4l4 4l4 -4\"/>\n");
    y_ += kGap;
  }
  /// A block; a text that does not fit stands below.
  void box(Index columns, const std::string& label, const char* css) {
    const double w = width(columns);
    out_ += str("<rect class=\"block ", css, "\" x=\"", px(kMiddle - w / 2), "\" y=\"", px(y_), "\" width=\"", px(w),
                "\" height=\"", px(kBlock), "\" rx=\"4\"/>\n");
    if (7.4 * static_cast<double>(label.size()) < w) {
      text(y_ + 17.5, label);
      y_ += kBlock;
    } else {
      text(y_ + kBlock + 15, label);
      y_ += kBlock + 19;
    }
  }
  void heads(std::size_t i) {
    const Index count = c_.layers[i].heads, drawn = std::min(count, kHeadsDrawn);
    const double w = width(count * c_.head_dim(i)), each = w / static_cast<double>(drawn);
    for (Index h = 0; h < drawn; ++h)
      out_ += str("<rect class=\"block heads\" x=\"", px(kMiddle - w / 2 + each * static_cast<double>(h) + 1), "\" y=\"", px(y_),
                  "\" width=\"", px(std::max(each - 2, 1.0)), "\" height=\"", px(kBlock), "\" rx=\"4\"/>\n");
    text(y_ + kBlock + 15, str("attention, ", count, count == 1 ? " head of " : " heads of ", c_.head_dim(i)));
    y_ += kBlock + 22;
  }
  void layer(std::size_t i, std::size_t end) {
    const double from = y_;
    y_ += 10;
    text(y_ + 11, end - i > 1 ? str("layers ", i + 1, " to ", end, ", alike") : str("layer ", i + 1), "axis");
    y_ += 20;
    heads(i);
    const nn::LayerConfig& l = c_.layers[i];
    out_ += str("<rect class=\"block ffn\" x=\"", px(kMiddle - width(l.ffn) / 2), "\" y=\"", px(y_), "\" width=\"",
                px(width(l.ffn)), "\" height=\"", px(kBlock), "\" rx=\"4\"/>\n");
    text(y_ + kBlock + 15, str("feed-forward ", l.ffn, ", ", nn::activation_name(l.activation)));
    y_ += kBlock + 26;
    out_ += str("<rect class=\"frame\" x=\"14\" y=\"", px(from), "\" width=\"", px(kWide - 28), "\" height=\"", px(y_ - from),
                "\" rx=\"8\"/>\n");
    if (end - i > 1) {
      out_ += str("<text class=\"times\" x=\"", px(kWide - 26), "\" y=\"", px(from + 24), "\" text-anchor=\"end\">× ", end - i,
                  "</text>\n");
    }
  }

  const nn::TransformerConfig& c_;
  Index widest_ = 1;
  double y_ = 2;
  std::string out_;
};

std::string facts_of(const nn::TransformerConfig& c, const ModelRow& m) {
  const auto row = [](const std::string& name, const std::string& value) {
    return "<tr><th scope=\"row\">" + name + "</th><td>" + escape_html(value) + "</td></tr>\n";
  };
  std::string out = "<div><table class=\"facts\">\n" + row("parameters", with_commas(m.params));
  if (m.bytes > 0) out += row("size", megabytes(m.bytes));
  out += row("width", str(c.hidden)) + row("layers", str(c.layers.size())) +
         row("norm", str(nn::name_of(c.norm), ", ", nn::name_of(c.norm_place))) + row("positions", nn::name_of(c.positions)) +
         row("pooling", nn::name_of(c.pooling)) + row("dropout", number(c.dropout));
  for (const auto& [name, value] : m.parameters) out += row(escape_html(name) + " <i>searched</i>", value);
  return out + "</table></div>\n";
}

}  // namespace

std::string network_section(const RunResults& r) {
  if (r.winner < 0) return "";
  const ModelRow& m = r.models[static_cast<std::size_t>(r.winner)];
  if (m.config.empty()) return "";
  try {
    const nn::TransformerConfig config = nn::config_from_json(m.config, "winner");
    return section("network", "The winner",
                   "<p>" + escape_html(m.name + ": " + m.architecture) + "</p>\n<div class=\"pair\">" + Diagram(config).svg() +
                       facts_of(config, m) + "</div>\n");
  } catch (const InputError& error) {
    return section("network", "The winner",
                   "<p>" + escape_html(m.architecture) + "; it cannot be drawn: " + escape_html(error.what()) + "</p>\n");
  }
}

}  // namespace lathe::nas
