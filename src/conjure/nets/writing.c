/* One further place of a few sequences through a Transformer's trunk and head, on one core.

   The equations are those of nets/attention.py and nets/transformer.py; see nets/writing.py for who calls this.
   All arrays are contiguous floats unless said otherwise, the last index running fastest. Vectors of 16 numbers
   are a GCC and Clang extension, which the compiler maps to what the processor has. */

#include <math.h>
#include <stdint.h>
#include <string.h>

typedef float vec __attribute__((vector_size(64), aligned(4)));
typedef float half __attribute__((vector_size(32)));
typedef float quarter __attribute__((vector_size(16)));
typedef int32_t ints __attribute__((vector_size(64), aligned(4)));
typedef int8_t bytes __attribute__((vector_size(16), aligned(1)));

enum { LANES = 16, TILE = 16, FEW = 4, AHEAD = 1024 /* floats */ };
static const float EPSILON = 1e-5f; /* of layer normalisation, as torch has it */

/* A matrix (out, in): floats, or signed bytes where each row has a step of its own; for more than FEW rows packed. */
typedef struct {
    const void *values;
    const float *steps;
} Matrix;

typedef struct {
    Matrix query, key, value, out, up, down;
    float *keys, *values; /* memories (rows, groups, length, channels) */
} Layer;

typedef struct {
    int64_t rows, layers, width, heads, groups, channels, hidden, vocab, length;
    const float *cos, *sin; /* (length, channels), or null: no rotary positions */
    const float *mixes;     /* (layers, 2) */
    Matrix head;
    const Layer *blocks;
    float *scratch; /* see writing.py for how many */
    float sharpness;
} Trunk;

static inline vec load(const float *p) { return *(const vec *)p; }

static inline vec widen(const int8_t *p) {
    ints wide;
    for (int i = 0; i < LANES; i++) wide[i] = p[i];
    return __builtin_convertvector(wide, vec);
}

/* By halves: one after the other each addition would wait for the last. */
static inline float sum(vec v) {
    half h[2];
    memcpy(h, &v, sizeof v);
    h[0] += h[1];
    quarter q[2];
    memcpy(q, h, sizeof q);
    q[0] += q[1];
    return (q[0][0] + q[0][1]) + (q[0][2] + q[0][3]);
}

/* y[b][o] for up to FEW rows b: each weight is read once and used for all of them. */
#define DOTS(NAME, TYPE, LOAD)                                                                                    \
    static inline __attribute__((always_inline)) void NAME(const TYPE *w, const float *steps, int64_t out,        \
                                                           int64_t in, const float *x, const int rows, float *y) { \
        for (int64_t o = 0; o < out; o++, w += in) {                                                              \
            vec one[FEW] = {{0}}, two[FEW] = {{0}};                                                               \
            int64_t k = 0;                                                                                        \
            for (; k + 2 * LANES <= in; k += 2 * LANES) {                                                         \
                __builtin_prefetch(w + k + AHEAD * 4 / sizeof(TYPE));                                                   \
                if (sizeof(TYPE) == 4) __builtin_prefetch(w + k + LANES + AHEAD * 4 / sizeof(TYPE));                    \
                vec a = LOAD(w + k), b = LOAD(w + k + LANES);                                                     \
                for (int r = 0; r < rows; r++) {                                                                  \
                    one[r] += a * load(x + r * in + k);                                                           \
                    two[r] += b * load(x + r * in + k + LANES);                                                   \
                }                                                                                                 \
            }                                                                                                     \
            for (int r = 0; r < rows; r++) {                                                                      \
                float total = sum(one[r] + two[r]);                                                               \
                for (int64_t rest = k; rest < in; rest++) total += w[rest] * x[r * in + rest];                    \
                y[r * out + o] = steps ? total * steps[o] : total;                                                \
            }                                                                                                     \
        }                                                                                                         \
    }
DOTS(dots_floats, float, load)
DOTS(dots_bytes, int8_t, widen)

static void dots(Matrix m, int64_t out, int64_t in, const float *x, int rows, float *y) {
#define CASE(N)                                                                                                   \
    case N:                                                                                                       \
        if (m.steps) dots_bytes(m.values, m.steps, out, in, x, N, y);                                             \
        else dots_floats(m.values, 0, out, in, x, N, y);                                                          \
        break;
    switch (rows) { CASE(1) CASE(2) CASE(3) CASE(4) }
}

/* y[b][o] for many rows: 16 rows lie side by side in a vector, TILE outputs are summed at once. The matrix is
   floats packed (out / TILE, in, TILE), the last tile filled up with zeros, so that it is read from end to end. */
static void tiles(Matrix m, int64_t out, int64_t in, const float *x, int64_t rows, float *y, float *turned) {
    int64_t groups = (rows + LANES - 1) / LANES;
    for (int64_t g = 0; g < groups; g++)
        for (int64_t b = 0; b < LANES; b++)
            for (int64_t k = 0; k < in; k++)
                turned[(g * in + k) * LANES + b] = g * LANES + b < rows ? x[(g * LANES + b) * in + k] : 0;
    for (int64_t o = 0; o < out; o += TILE) {
        const float *w = (const float *)m.values + o * in;
        for (int64_t g = 0; g < groups; g++) {
            const float *t = turned + g * in * LANES;
            vec sums[TILE] = {{0}};
            for (int64_t k = 0; k < in; k++) {
                __builtin_prefetch(w + k * TILE + AHEAD);
                vec a = load(t + k * LANES);
                for (int j = 0; j < TILE; j++) sums[j] += a * w[k * TILE + j];
            }
            for (int j = 0; j < TILE && o + j < out; j++)
                for (int64_t b = 0; b < LANES && g * LANES + b < rows; b++)
                    y[(g * LANES + b) * out + o + j] = sums[j][b];
        }
    }
}

static void product(Matrix m, int64_t out, int64_t in, const float *x, int64_t rows, float *y, float *scratch) {
    if (rows <= FEW) dots(m, out, in, x, (int)rows, y);
    else tiles(m, out, in, x, rows, y, scratch);
}

/* Layer normalisation without weights. */
static void norm(const float *x, float *y, int64_t size) {
    float mean = 0, spread = 0;
    for (int64_t i = 0; i < size; i++) mean += x[i];
    mean /= size;
    for (int64_t i = 0; i < size; i++) spread += (x[i] - mean) * (x[i] - mean);
    float scale = 1 / sqrtf(spread / size + EPSILON);
    for (int64_t i = 0; i < size; i++) y[i] = (x[i] - mean) * scale;
}

/* A query or key: normalised, then turned by its place. */
static void ready(float *x, float *spare, int64_t channels, const float *cos, const float *sin) {
    norm(x, spare, channels);
    int64_t half = channels / 2;
    if (!cos) memcpy(x, spare, sizeof(float) * channels);
    else
        for (int64_t i = 0; i < channels; i++)
            x[i] = spare[i] * cos[i] + spare[i < half ? i + half : i - half] * sin[i];
}

/* exp(x) for -87 <= x <= 0 to within 2e-7 of its value: 2^n times a polynomial of what is left (Taylor, |r| <= log(2) / 2). */
static inline vec falling(vec x) {
    vec turns = x * 1.4426950408889634f - 0.5f;
    ints n = __builtin_convertvector(turns, ints); /* towards zero, so to the nearest below zero */
    vec whole = __builtin_convertvector(n, vec);
    vec r = (x - whole * 0.693359375f) + whole * 2.12194440e-4f;
    vec p = 1 + r * (1 + r * (0.5f + r * (1.f / 6 + r * (1.f / 24 + r * (1.f / 120 + r * (1.f / 720 + r / 5040))))));
    ints power = (n + 127) << 23;
    vec two;
    memcpy(&two, &power, sizeof two);
    return p * two;
}

/* softmax(scale q K^T) V of one head; weights has room for `count` numbers, rounded up to whole vectors. */
static void attend(const float *q, const float *keys, const float *values, int64_t count, int64_t channels,
                   float scale, float *weights, float *y) {
    float most = -INFINITY, total = 0;
    int64_t padded = (count + LANES - 1) / LANES * LANES;
    for (int64_t s = 0; s < count; s++) {
        for (int64_t i = 0; i < channels; i += LANES) {
            __builtin_prefetch(keys + s * channels + i + AHEAD);
            __builtin_prefetch(values + s * channels + i, 0, 2);
        }
        vec lanes = {0};
        int64_t c = 0;
        for (; c + LANES <= channels; c += LANES) lanes += load(q + c) * load(keys + s * channels + c);
        float dot = sum(lanes);
        for (; c < channels; c++) dot += q[c] * keys[s * channels + c];
        weights[s] = scale * dot;
        most = weights[s] > most ? weights[s] : most;
    }
    for (int64_t s = 0; s < count; s++) weights[s] = weights[s] - most > -87 ? weights[s] - most : -87;
    for (int64_t s = count; s < padded; s++) weights[s] = 0;
    for (int64_t s = 0; s < padded; s += LANES) *(vec *)(weights + s) = falling(load(weights + s));
    for (int64_t s = 0; s < count; s++) total += weights[s];
    for (int64_t s = 0; s < count; s++) weights[s] /= total;
    int64_t c = 0;
    for (; c + 4 * LANES <= channels; c += 4 * LANES) {
        vec sums[4] = {{0}};
        for (int64_t s = 0; s < count; s++)
            for (int i = 0; i < 4; i++) sums[i] += weights[s] * load(values + s * channels + c + i * LANES);
        memcpy(y + c, sums, sizeof sums);
    }
    for (; c + LANES <= channels; c += LANES) {
        vec sums = {0};
        for (int64_t s = 0; s < count; s++) sums += weights[s] * load(values + s * channels + c);
        memcpy(y + c, &sums, sizeof sums);
    }
    for (; c < channels; c++) {
        y[c] = 0;
        for (int64_t s = 0; s < count; s++) y[c] += weights[s] * values[s * channels + c];
    }
}

/* Keys and values of this place go to memory; heads of queries see all places up to it. q holds the result. */
static void remember_and_attend(const Trunk *t, const Layer *l, int64_t at, float *q, float *k, float *v, float *spare) {
    int64_t c = t->channels, shared = t->heads / t->groups;
    const float *cos = t->cos ? t->cos + at * c : 0, *sin = t->sin + at * c;
    for (int64_t b = 0; b < t->rows; b++) {
        for (int64_t g = 0; g < t->groups; g++) {
            float *key = k + (b * t->groups + g) * c, *value = v + (b * t->groups + g) * c;
            int64_t start = (b * t->groups + g) * t->length * c;
            ready(key, spare, c, cos, sin);
            memcpy(l->keys + start + at * c, key, sizeof(float) * c);
            memcpy(l->values + start + at * c, value, sizeof(float) * c);
            for (int64_t h = g * shared; h < (g + 1) * shared; h++) {
                float *query = q + (b * t->heads + h) * c;
                ready(query, spare, c, cos, sin);
                attend(query, l->keys + start, l->values + start, at + 1, c, t->sharpness, spare + c, spare);
                memcpy(query, spare, sizeof(float) * c);
            }
        }
    }
}

/* x (rows, width) at the place `at` after those in memory; logits (rows, vocab). */
void conjure_place(const Trunk *t, int64_t at, const float *entered, float *logits) {
    int64_t n = t->rows * t->width, wide = t->heads * t->channels, narrow = t->groups * t->channels;
    float *x = t->scratch, *first = x + n, *h = first + n, *y = h + n, *q = y + n, *k = q + t->rows * wide;
    float *v = k + t->rows * narrow, *up = v + t->rows * narrow, *spare = up + t->rows * t->hidden;
    for (int64_t b = 0; b < t->rows; b++) norm(entered + b * t->width, first + b * t->width, t->width);
    memcpy(x, first, sizeof(float) * n);
    for (int64_t i = 0; i < t->layers; i++) {
        const Layer *l = t->blocks + i;
        float mix = t->mixes[2 * i], entry = t->mixes[2 * i + 1];
        for (int64_t j = 0; j < n; j++) x[j] = x[j] * mix + first[j] * entry;
        for (int64_t b = 0; b < t->rows; b++) norm(x + b * t->width, h + b * t->width, t->width);
        product(l->query, wide, t->width, h, t->rows, q, spare);
        product(l->key, narrow, t->width, h, t->rows, k, spare);
        product(l->value, narrow, t->width, h, t->rows, v, spare);
        remember_and_attend(t, l, at, q, k, v, spare);
        product(l->out, t->width, wide, q, t->rows, y, spare);
        for (int64_t j = 0; j < n; j++) x[j] += y[j];
        for (int64_t b = 0; b < t->rows; b++) norm(x + b * t->width, h + b * t->width, t->width);
        product(l->up, t->hidden, t->width, h, t->rows, up, spare);
        for (int64_t j = 0; j < t->rows * t->hidden; j++) up[j] = up[j] > 0 ? up[j] * up[j] : 0;
        product(l->down, t->width, t->hidden, up, t->rows, y, spare);
        for (int64_t j = 0; j < n; j++) x[j] += y[j];
    }
    for (int64_t b = 0; b < t->rows; b++) norm(x + b * t->width, h + b * t->width, t->width);
    product(t->head, t->vocab, t->width, h, t->rows, logits, spare);
}
