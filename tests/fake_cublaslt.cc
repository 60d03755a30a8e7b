// Stands in for libcublasLt where there is no GPU: the same functions, on the host's memory, in plain loops. It checks what
// the real library checks (sizes of attributes, shapes, leading dimensions, alignment, workspace) and, stricter, that the
// algorithm is the one it chose for just this product. The numbers are those of cublasLt.h, written out anew from there.
#include <cmath>
#include <complex>
#include <cstdint>
#include <cstring>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#define API extern "C" __attribute__((visibility("default")))

enum { SUCCESS = 0, INVALID = 7, NOT_SUPPORTED = 15 };
enum { R_32F = 0, R_64F = 1, R_16F = 2, C_32F = 4, C_64F = 5, R_16BF = 14 };

static std::string said;  // what was asked for, in order
static std::mutex saying;
static std::map<std::string, int> alive;
static int supported = 1;

static void say(const std::string& what) {
  std::lock_guard<std::mutex> alone(saying);
  said += what;
}

API const char* fake_said() { return said.c_str(); }
API void fake_reset() { said.clear(); supported = 1; }
API void fake_refuse() { supported = 0; }
API int fake_alive(const char* kind) { return alive[kind]; }

// ---- what is opaque -----------------------------------------------------------------------------------------------------

struct Opaque {
  const char* kind;
  std::map<int, int> sizes;  // attribute -> bytes
  std::map<int, std::vector<unsigned char>> values;

  Opaque(const char* kind, std::map<int, int> sizes) : kind(kind), sizes(sizes) { ++alive[kind]; }
  ~Opaque() { --alive[kind]; }

  int set(int attribute, const void* from, size_t size) {
    if (!from || !sizes.count(attribute) || (size_t)sizes[attribute] != size) return INVALID;
    auto bytes = (const unsigned char*)from;
    values[attribute] = std::vector<unsigned char>(bytes, bytes + size);
    return SUCCESS;
  }
  template <class T> T get(int attribute, T otherwise) const {
    auto at = values.find(attribute);
    if (at == values.end()) return otherwise;
    T value;
    memcpy(&value, at->second.data(), sizeof value);
    return value;
  }
};

struct Description : Opaque {
  int compute, scale;
  Description(int compute, int scale)
      : Opaque("MatmulDesc", {{0, 4}, {1, 4}, {2, 4}, {3, 4}, {4, 4}, {5, 4}, {6, 4}, {7, 4}, {8, 8}, {10, 8}, {11, 8},
                              {12, 8}, {13, 8}, {14, 8}, {15, 4}}), compute(compute), scale(scale) {}
};
struct Layout : Opaque {
  int type;
  uint64_t rows, columns;
  int64_t leading;
  Layout(int type, uint64_t rows, uint64_t columns, int64_t leading)
      : Opaque("MatrixLayout", {{0, 4}, {1, 4}, {2, 8}, {3, 8}, {4, 8}, {5, 4}, {6, 8}, {7, 8}, {8, 4}}),
        type(type), rows(rows), columns(columns), leading(leading) {}
  int batch() const { return get<int32_t>(5, 1); }
  int64_t stride() const { return get<int64_t>(6, 0); }
};
struct Preference : Opaque {
  Preference() : Opaque("MatmulPreference", {{0, 4}, {1, 8}, {3, 4}, {5, 4}, {6, 4}, {7, 4}, {8, 4}, {9, 4}, {12, 8}}) {}
};
struct Algorithm { uint64_t data[8]; };
struct Heuristic { Algorithm algorithm; size_t workspace; int state; float waves; int reserved[4]; };

API int cublasLtCreate(void** out) { ++alive["handle"]; *out = new int(29); return SUCCESS; }
API int cublasLtDestroy(void* handle) { --alive["handle"]; delete (int*)handle; return SUCCESS; }
API size_t cublasLtGetVersion() { return 130100; }
API const char* cublasLtGetStatusString(int status) { return status == INVALID ? "invalid value" : "not supported"; }
API int cublasLtMatmulDescCreate(void** out, int compute, int scale) { *out = new Description(compute, scale); return SUCCESS; }
API int cublasLtMatmulDescSetAttribute(void* d, int n, const void* v, size_t s) { return ((Description*)d)->set(n, v, s); }
API int cublasLtMatmulDescDestroy(void* d) { delete (Description*)d; return SUCCESS; }
API int cublasLtMatrixLayoutCreate(void** out, int type, uint64_t rows, uint64_t columns, int64_t leading) {
  *out = new Layout(type, rows, columns, leading);
  return SUCCESS;
}
API int cublasLtMatrixLayoutSetAttribute(void* d, int n, const void* v, size_t s) { return ((Layout*)d)->set(n, v, s); }
API int cublasLtMatrixLayoutDestroy(void* d) { delete (Layout*)d; return SUCCESS; }
API int cublasLtMatmulPreferenceCreate(void** out) { *out = new Preference; return SUCCESS; }
API int cublasLtMatmulPreferenceSetAttribute(void* d, int n, const void* v, size_t s) { return ((Preference*)d)->set(n, v, s); }
API int cublasLtMatmulPreferenceDestroy(void* d) { delete (Preference*)d; return SUCCESS; }

// ---- numbers ------------------------------------------------------------------------------------------------------------

using Number = std::complex<double>;

static int size_of(int type) {
  switch (type) {
    case R_16F: case R_16BF: return 2;
    case R_32F: return 4;
    case R_64F: case C_32F: return 8;
    case C_64F: return 16;
  }
  return 0;
}

static Number read(const void* at, int64_t i, int type) {
  auto place = (const char*)at + i * size_of(type);
  float f[2] = {0, 0};
  double d[2] = {0, 0};
  uint16_t h;
  switch (type) {
    case R_16F: {
      memcpy(&h, place, 2);
      int exponent = h >> 10 & 31, fraction = h & 1023;
      double x = exponent == 31 ? (fraction ? NAN : INFINITY)
                 : exponent ? std::ldexp(1024 + fraction, exponent - 25) : std::ldexp(fraction, -24);
      return h >> 15 ? -x : x;
    }
    case R_16BF: {
      memcpy(&h, place, 2);
      uint32_t bits = (uint32_t)h << 16;
      memcpy(f, &bits, 4);
      return f[0];
    }
    case R_32F: memcpy(f, place, 4); return f[0];
    case C_32F: memcpy(f, place, 8); return {f[0], f[1]};
    case R_64F: memcpy(d, place, 8); return d[0];
    default: memcpy(d, place, 16); return {d[0], d[1]};
  }
}

static void write(void* at, int64_t i, int type, Number x) {
  auto place = (char*)at + i * size_of(type);
  float f[2] = {(float)x.real(), (float)x.imag()};
  double d[2] = {x.real(), x.imag()};
  uint16_t h;
  switch (type) {
    case R_16F: {
      double a = std::fabs(d[0]);
      int exponent = a ? std::max(std::ilogb(a), -14) : -14;
      int units = (int)std::nearbyint(std::ldexp(a, 10 - exponent));  // 1024 and more, unless subnormal
      h = units + ((exponent + 14) << 10);  // a carry goes into the exponent
      if (std::signbit(d[0])) h |= 0x8000;
      memcpy(place, &h, 2);
      return;
    }
    case R_16BF: {
      uint32_t bits;
      memcpy(&bits, f, 4);
      h = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
      memcpy(place, &h, 2);
      return;
    }
    case R_32F: memcpy(place, f, 4); return;
    case C_32F: memcpy(place, f, 8); return;
    case R_64F: memcpy(place, d, 8); return;
    default: memcpy(place, d, 16);
  }
}

// ---- products -----------------------------------------------------------------------------------------------------------

static bool half(int type) { return type == R_16F || type == R_16BF; }

static int wrong(const Description& p, const Layout& a, const Layout& b, const Layout& c, const Layout& d) {
  for (auto m : {&a, &b, &c, &d})
    if (!m->rows || !m->columns || m->leading < (int64_t)m->rows || m->batch() != d.batch() || !size_of(m->type)) return 1;
  bool ta = p.get<int32_t>(3, 0) == 1, tb = p.get<int32_t>(4, 0) == 1;
  if ((ta ? a.columns : a.rows) != d.rows || (tb ? b.rows : b.columns) != d.columns) return 1;
  if ((ta ? a.rows : a.columns) != (tb ? b.columns : b.rows) || c.rows != d.rows || c.columns != d.columns) return 1;
  bool twice = a.type == R_64F || a.type == C_64F;
  bool computes = twice ? p.compute == 70 : p.compute == 68 || (p.compute == 77 && !half(a.type));
  bool types = a.type == b.type && c.type == d.type && (d.type == a.type || (half(a.type) && d.type == R_32F));
  if (!computes || !types || p.scale != (half(a.type) ? R_32F : a.type)) return 1;
  int epilogue = p.get<uint32_t>(7, 1);
  if (epilogue != 1 && (a.type == C_32F || a.type == C_64F)) return 1;
  if ((epilogue & 4 || epilogue & 16 || epilogue >= 256) && !p.get<uint64_t>(8, 0)) return 1;
  if (epilogue & 128) {
    int64_t leading = p.get<int64_t>(12, 0);
    if (!p.get<uint64_t>(11, 0) || leading < (int64_t)d.rows || leading % (epilogue & 10 ? 128 : 8)) return 1;
  }
  return 0;
}

static uint64_t fingerprint(const Description& p, const Layout& a, const Layout& b, const Layout& d) {
  uint64_t hash = 1469598103934665603u;
  auto add = [&](uint64_t n) { hash = (hash ^ n) * 1099511628211u; };
  add(p.compute), add(p.get<int32_t>(3, 0)), add(p.get<int32_t>(4, 0)), add(p.get<uint32_t>(7, 1));
  for (auto m : {&a, &b, &d}) add(m->type), add(m->rows), add(m->columns), add(m->leading), add(m->batch()), add(m->stride());
  return hash;
}

static uint64_t needed(uint64_t asked) { return asked >= 1024 ? 1024 : 0; }

API int cublasLtMatmulAlgoGetHeuristic(void* handle, void* description, void* a, void* b, void* c, void* d, void* preference,
                                       int count, Heuristic* results, int* found) {
  auto& p = *(Description*)description;
  auto& like = *(Preference*)preference;
  if (*(int*)handle != 29 || count < 1 || wrong(p, *(Layout*)a, *(Layout*)b, *(Layout*)c, *(Layout*)d)) return INVALID;
  say("heuristic ");
  *found = 0;
  if (!supported) return SUCCESS;
  memset(results, 0, sizeof *results);
  auto& data = results->algorithm.data;
  data[0] = fingerprint(p, *(Layout*)a, *(Layout*)b, *(Layout*)d);
  for (int i = 0; i < 4; ++i) data[1 + i] = like.get<uint32_t>(5 + i, 256);
  results->workspace = data[5] = needed(like.get<uint64_t>(1, 0));
  results->waves = 1;
  *found = 1;
  return SUCCESS;
}

static double gelu(double x, bool slope) {
  double c = std::sqrt(2 / M_PI), t = std::tanh(c * (x + 0.044715 * x * x * x));
  return slope ? 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * c * (1 + 3 * 0.044715 * x * x) : 0.5 * x * (1 + t);
}

API int cublasLtMatmul(void* handle, void* description, const void* alpha, const void* A, void* a_, const void* B, void* b_,
                       const void* beta, const void* C, void* c_, void* D, void* d_, const Algorithm* algorithm,
                       void* workspace, size_t workspace_size, void* stream) {
  auto& p = *(Description*)description;
  auto &a = *(Layout*)a_, &b = *(Layout*)b_, &c = *(Layout*)c_, &d = *(Layout*)d_;
  if (*(int*)handle != 29 || wrong(p, a, b, c, d) || algorithm->data[0] != fingerprint(p, a, b, d)) return INVALID;
  const void* places[4] = {A, B, C, D};
  for (int i = 0; i < 4; ++i)
    if ((uint64_t)places[i] % algorithm->data[1 + i]) return INVALID;
  if (algorithm->data[5] > workspace_size || (workspace_size && (!workspace || (uint64_t)workspace % 256))) return INVALID;
  if (workspace) memset(workspace, 0xCC, algorithm->data[5]);
  say("matmul:" + std::to_string((uint64_t)stream) + (p.compute == 77 ? ":tf32 " : " "));

  bool ta = p.get<int32_t>(3, 0) == 1, tb = p.get<int32_t>(4, 0) == 1;
  int64_t k = ta ? a.rows : a.columns, rows = d.rows, columns = d.columns;
  int epilogue = p.get<uint32_t>(7, 1);
  auto vector = (void*)p.get<uint64_t>(8, 0), aux = (void*)p.get<uint64_t>(11, 0);
  int64_t leading = p.get<int64_t>(12, 0);
  Number scale = read(alpha, 0, p.scale), again = read(beta, 0, p.scale);
  auto at_a = [&](int64_t n, int64_t i, int64_t j) { return read(A, n * a.stride() + (ta ? j + i * a.leading : i + j * a.leading), a.type); };
  auto at_b = [&](int64_t n, int64_t i, int64_t j) { return read(B, n * b.stride() + (tb ? j + i * b.leading : i + j * b.leading), b.type); };
  bool bits = epilogue & (2 | 8), keeps = epilogue & 128, derives = epilogue & (8 | 64) && keeps;
  std::vector<double> sums(std::max(rows, columns), 0.0);
  for (int64_t n = 0; n < d.batch(); ++n)
    for (int64_t j = 0; j < columns; ++j)
      for (int64_t i = 0; i < rows; ++i) {
        Number x = 0;
        for (int64_t l = 0; l < k; ++l) x += at_a(n, i, l) * at_b(n, l, j);
        x *= scale;
        if (again != 0.0) x += again * read(C, n * c.stride() + i + j * c.leading, c.type);
        if (epilogue & 4) x += read(vector, i, d.type);
        int64_t there = i + j * leading;
        auto byte = (unsigned char*)aux + there / 8;
        if (derives) {
          x *= bits ? (double)(*byte >> there % 8 & 1) : gelu(read(aux, there, d.type).real(), true);
          sums[i] += x.real();
        } else if (keeps && bits) {
          *byte = (*byte & ~(1 << there % 8)) | (x.real() > 0) << there % 8;
        } else if (keeps) {
          write(aux, there, d.type, x);
        }
        if (epilogue < 256 && epilogue & 2) x = std::max(x.real(), 0.0);
        if (epilogue < 256 && epilogue & 32) x = gelu(x.real(), false);
        write(D, n * d.stride() + i + j * d.leading, d.type, x);
      }
  if (epilogue == 256)
    for (int64_t i = 0; i < rows; ++i)
      for (int64_t l = 0; l < k; ++l) sums[i] += at_a(0, i, l).real();
  if (epilogue == 512)
    for (int64_t j = 0; j < columns; ++j)
      for (int64_t l = 0; l < k; ++l) sums[j] += at_b(0, l, j).real();
  if (epilogue & 16 || epilogue >= 256)
    for (int64_t i = 0; i < (epilogue == 512 ? columns : rows); ++i) write(vector, i, d.type, sums[i]);
  return SUCCESS;
}
