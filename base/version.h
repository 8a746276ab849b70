// What this build is, as it is written into models, checkpoints and studies.
#pragma once

namespace lathe {

inline constexpr const char* kVersion = "0.1.0";

/// Version of the numerics (docs/numerics.md): equal tags promise equal bits. v0 until the first release.
inline constexpr const char* kNumerics = "numerics v0";

}  // namespace lathe
