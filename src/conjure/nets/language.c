/* Further tokens of some sequences through a language model's trunk and head (nets/language.py), on a few cores.

   Who calls this: nets/stepping.py. Each token is a row of its own: its sequence (slot) and place say where its key
   and value go and which it sees, so one call reads a prompt, writes one token for each of many sequences, or both.
   Every number of a row is summed in one fixed order, whatever other rows stand beside it: what is written does not
   depend on the batch, on how a prompt was cut into parts, or on the number of threads.

   Weights are floats, bfloat16 or bytes, packed so that each core reads one stream: groups of 64 outputs, in each all
   inputs in steps of 1, 2 or 4. Bytes are multiplied by bytes: 32 neighbouring inputs share a step, weights' and
   the row's own (as Q8_0 of GGUF has it); the sum within such a block is exact. */

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("no-associative-math") /* one order of summing, in every variant of a loop */
#endif

#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#if defined(__AVX512F__)
#include <immintrin.h>
#endif

typedef float vec __attribute__((vector_size(64), aligned(4)));
typedef float half __attribute__((vector_size(32)));
typedef float quarter __attribute__((vector_size(16)));
typedef int32_t ints __attribute__((vector_size(64), aligned(4)));

enum { LANES = 16, TILES = 4, GROUP = 64, MOST = 6, MOST_BYTES = 4, BLOCK = 32, THREADS = 64 };
enum { FLOATS, BFLOATS, BYTES };          /* kinds of weights */
enum { STORE, ADD, GATED, CURVED };       /* what becomes of a product */

typedef struct {
    const void *values; /* packed, see above; outputs filled up to whole groups, inputs to whole blocks */
    const float *bias;  /* or null */
    int64_t out, in;
} Matrix;

typedef struct {
    const float *weight, *bias; /* bias null: root mean square; else layer normalisation */
} Norm;

typedef struct {
    Norm attention_norm, query_norm, key_norm, feed_norm;
    Matrix entry, out, up, down; /* entry: queries, keys, values; up: with the gate, 32 outputs of each in turn */
    float *keys, *values;        /* caches (slots, groups, room, channels) */
    int64_t turned;              /* whether places turn its queries and keys */
} Layer;

typedef struct {
    int64_t layers, width, heads, groups, channels, hidden, vocab, window, kind, gated;
    float epsilon;
    const float *speeds; /* rotary, (channels / 2), or null */
    Norm norm;
    Matrix head;
    const Layer *stack;
} Trunk;

typedef struct { /* rows as a product takes them */
    void *values;
    float *steps;    /* (rows, blocks), for bytes */
    int32_t *totals; /* (rows, blocks): -128 times the sum of a block's inputs, for bytes */
} Entered;

typedef struct {
    const Trunk *t;
    int64_t rows, room, wanted, threads;
    const int64_t *slots, *places, *which; /* which: rows whose logits are wanted */
    float *logits;
    float *x, *h, *q, *y; /* (rows, width), (rows, width), (rows, q + k + v), (rows, hidden) */
    float *cos, *sin;     /* (rows, channels / 2) */
    Entered entered;
    atomic_int *claims;   /* one counter a phase */
    atomic_int arrived, turn;
    float *spare;         /* (threads, room + LANES) */
} Job;

typedef struct {
    Job *job;
    int64_t number;
    int phase, turn;
} Worker;

static inline vec load(const float *p) { return *(const vec *)p; }
static inline void store(float *p, vec v) { *(vec *)p = v; }

static inline quarter folded(vec v) {
    half h[2];
    memcpy(h, &v, sizeof v);
    h[0] += h[1];
    quarter q[2];
    memcpy(q, h, sizeof q);
    return q[0] + q[1];
}

static inline float sum(vec v) {
    quarter q = folded(v);
    return (q[0] + q[2]) + (q[1] + q[3]);
}

/* Four sums at once, each in the order of `sum`. */
static inline quarter sums_of(vec a, vec b, vec c, vec d) {
    quarter p = folded(a), q = folded(b), r = folded(c), s = folded(d);
    quarter one = (quarter){p[0], q[0], p[1], q[1]} + (quarter){p[2], q[2], p[3], q[3]};
    quarter two = (quarter){r[0], s[0], r[1], s[1]} + (quarter){r[2], s[2], r[3], s[3]};
    return (quarter){one[0], one[1], two[0], two[1]} + (quarter){one[2], one[3], two[2], two[3]};
}

/* exp(x) for -87 <= x <= 0 to within 2e-7 of its value: 2^n times Taylor's polynomial of what is left. */
static inline vec falling(vec x) {
    ints n = __builtin_convertvector(x * 1.4426950408889634f - 0.5f, ints);
    vec whole = __builtin_convertvector(n, vec);
    vec r = (x - whole * 0.693359375f) + whole * 2.12194440e-4f;
    vec p = 1 + r * (1 + r * (0.5f + r * (1.f / 6 + r * (1.f / 24 + r * (1.f / 120 + r * (1.f / 720 + r / 5040))))));
    ints power = (n + 127) << 23;
    vec two;
    memcpy(&two, &power, sizeof two);
    return p * two;
}

static inline vec either(ints first, vec a, vec b) { /* a where `first` is all ones, b where it is zero */
    return (vec)((first & (ints)a) | (~first & (ints)b));
}

static inline vec sigmoid(vec x) {
    ints minus = x < 0;
    vec far = either(minus, x, -x), one = (vec){0} + 1;
    vec e = falling(either(far < -87, (vec){0} - 87, far));
    return either(minus, e, one) / (1 + e);
}

/* ---- cores: who does what, and waiting for each other ---- */

static void meet(Worker *w) {
    Job *job = w->job;
    w->phase++;
    w->turn = !w->turn;
    if (job->threads == 1) return;
    if (atomic_fetch_add(&job->arrived, 1) == job->threads - 1) {
        atomic_store(&job->arrived, 0);
        atomic_store(&job->turn, w->turn);
        return;
    }
    for (int spins = 0; atomic_load_explicit(&job->turn, memory_order_acquire) != w->turn; spins++) {
        if (spins > 4000) sched_yield();
#if defined(__x86_64__)
        else __builtin_ia32_pause();
#endif
    }
}

static inline int64_t claim(Worker *w, int64_t count) {
    int64_t found = atomic_fetch_add_explicit(&w->job->claims[w->phase], 1, memory_order_relaxed);
    return found < count ? found : -1;
}

/* ---- products ---- */

static inline uint16_t shortened(float x) { /* to the nearest bfloat16, ties to even */
    uint32_t bits;
    memcpy(&bits, &x, 4);
    return (uint16_t)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

static inline int64_t padded(int64_t n) { return (n + BLOCK - 1) / BLOCK * BLOCK; }

/* Row r of x (size) as the products take it. */
static void enter(const Trunk *t, Entered to, int64_t r, const float *x, int64_t size) {
    int64_t full = padded(size), blocks = full / BLOCK;
    if (t->kind == FLOATS) {
        memcpy((float *)to.values + r * full, x, sizeof(float) * size);
        memset((float *)to.values + r * full + size, 0, sizeof(float) * (full - size));
    } else if (t->kind == BFLOATS) {
        uint16_t *row = (uint16_t *)to.values + r * full;
        for (int64_t k = 0; k < size; k++) row[k] = shortened(x[k]);
        memset(row + size, 0, sizeof(uint16_t) * (full - size));
    } else {
        int8_t *row = (int8_t *)to.values + r * full;
        for (int64_t b = 0; b < blocks; b++) {
            int64_t end = size - b * BLOCK < BLOCK ? size - b * BLOCK : BLOCK;
            const float *from = x + b * BLOCK;
            float most = 0;
            for (int64_t k = 0; k < end; k++) most = fabsf(from[k]) > most ? fabsf(from[k]) : most;
            float scale = most > 0 ? 127 / most : 0;
            int32_t total = 0;
            for (int64_t k = 0; k < end; k++) {
                int32_t code = (int32_t)lrintf(from[k] * scale);
                row[b * BLOCK + k] = (int8_t)code;
                total += code;
            }
            memset(row + b * BLOCK + end, 0, BLOCK - end);
            to.steps[r * blocks + b] = most / 127;
            to.totals[r * blocks + b] = -128 * total;
        }
    }
}

#define INLINE static inline __attribute__((always_inline))

INLINE void product_floats(const Matrix m, int64_t g, const float *x, const int rows, float *y) {
    int64_t in = padded(m.in);
    const float *w = (const float *)m.values + g * in * GROUP;
    vec sums[MOST][TILES] = {{{0}}};
    for (int64_t k = 0; k < in; k++, w += GROUP) {
        vec a[TILES];
        for (int i = 0; i < TILES; i++) a[i] = load(w + i * LANES);
        for (int r = 0; r < rows; r++)
            for (int i = 0; i < TILES; i++) sums[r][i] += a[i] * x[r * in + k];
    }
    for (int r = 0; r < rows; r++)
        for (int i = 0; i < TILES; i++) store(y + r * GROUP + i * LANES, sums[r][i]);
}

#if defined(__AVX512BF16__)
INLINE vec two_steps(vec sums, const uint16_t *w, uint32_t pair) {
    return (vec)_mm512_dpbf16_ps((__m512)sums, (__m512bh)_mm512_loadu_si512(w), (__m512bh)_mm512_set1_epi32((int)pair));
}
#else
INLINE vec two_steps(vec sums, const uint16_t *w, uint32_t pair) {
    ints both;
    memcpy(&both, w, sizeof both);
    ints low = both << 16, high = both & (int32_t)0xffff0000;
    uint32_t first = pair << 16, second = pair & 0xffff0000u;
    float one, two;
    vec a, b;
    memcpy(&one, &first, 4);
    memcpy(&two, &second, 4);
    memcpy(&a, &low, sizeof a);
    memcpy(&b, &high, sizeof b);
    return sums + a * one + b * two;
}
#endif

INLINE void product_bfloats(const Matrix m, int64_t g, const uint16_t *x, const int rows, float *y) {
    int64_t in = padded(m.in);
    const uint16_t *w = (const uint16_t *)m.values + g * in * GROUP;
    vec sums[MOST][TILES] = {{{0}}};
    for (int64_t k = 0; k < in; k += 2, w += 2 * GROUP)
        for (int r = 0; r < rows; r++) {
            uint32_t pair;
            memcpy(&pair, x + r * in + k, 4);
            for (int i = 0; i < TILES; i++) sums[r][i] = two_steps(sums[r][i], w + i * 2 * LANES, pair);
        }
    for (int r = 0; r < rows; r++)
        for (int i = 0; i < TILES; i++) store(y + r * GROUP + i * LANES, sums[r][i]);
}

#if defined(__AVX512VNNI__)
INLINE ints four_steps(ints sums, const uint8_t *w, int32_t four) {
    return (ints)_mm512_dpbusd_epi32((__m512i)sums, _mm512_loadu_si512(w), _mm512_set1_epi32(four));
}
#else
INLINE ints four_steps(ints sums, const uint8_t *w, int32_t four) {
    int8_t x[4];
    memcpy(x, &four, 4);
    for (int i = 0; i < LANES; i++)
        for (int j = 0; j < 4; j++) sums[i] += (int32_t)w[4 * i + j] * x[j];
    return sums;
}
#endif

/* 16 bfloat16 numbers as floats. */
INLINE vec lengthened(const uint8_t *p) {
    uint16_t from[LANES];
    ints wide;
    memcpy(from, p, sizeof from);
    for (int i = 0; i < LANES; i++) wide[i] = (int32_t)((uint32_t)from[i] << 16);
    return (vec)wide;
}

/* A block of a group: 8 times 64 quadruples of codes + 128, then 64 steps in bfloat16. */
INLINE void product_bytes(const Matrix m, int64_t g, const int8_t *x, const float *steps, const int32_t *totals,
                          const int rows, float *y) {
    int64_t in = padded(m.in), blocks = in / BLOCK;
    const uint8_t *w = (const uint8_t *)m.values + g * blocks * (BLOCK + 2) * GROUP;
    vec sums[MOST_BYTES][TILES] = {{{0}}};
    for (int64_t b = 0; b < blocks; b++) {
        ints whole[MOST_BYTES][TILES];
        for (int r = 0; r < rows; r++)
            for (int i = 0; i < TILES; i++) whole[r][i] = (ints){0} + totals[r * blocks + b];
        for (int64_t k = 0; k < BLOCK; k += 4, w += 4 * GROUP)
            for (int r = 0; r < rows; r++) {
                int32_t four;
                memcpy(&four, x + r * in + b * BLOCK + k, 4);
                for (int i = 0; i < TILES; i++) whole[r][i] = four_steps(whole[r][i], w + i * 4 * LANES, four);
            }
        for (int i = 0; i < TILES; i++) {
            vec sizes = lengthened(w + i * 2 * LANES);
            for (int r = 0; r < rows; r++)
                sums[r][i] += __builtin_convertvector(whole[r][i], vec) * (sizes * steps[r * blocks + b]);
        }
        w += 2 * GROUP;
    }
    for (int r = 0; r < rows; r++)
        for (int i = 0; i < TILES; i++) store(y + r * GROUP + i * LANES, sums[r][i]);
}

/* Outputs of group g for some rows, (rows, GROUP). */
static void product(const Trunk *t, const Matrix m, int64_t g, Entered x, int64_t first, int rows, float *y) {
    int64_t in = padded(m.in), blocks = in / BLOCK;
    const int8_t *codes = (const int8_t *)x.values + first * in;
    const float *steps = x.steps + first * blocks;
    const int32_t *totals = x.totals + first * blocks;
#define CASE(N)                                                                                                     \
    case N:                                                                                                         \
        if (t->kind == FLOATS) product_floats(m, g, (const float *)x.values + first * in, N, y);                   \
        else if (t->kind == BFLOATS) product_bfloats(m, g, (const uint16_t *)x.values + first * in, N, y);          \
        else product_bytes(m, g, codes, steps, totals, N <= MOST_BYTES ? N : MOST_BYTES, y);                         \
        break;
    switch (rows) { CASE(1) CASE(2) CASE(3) CASE(4) CASE(5) CASE(6) }
}

/* One group of outputs for one row: with its bias, stored, added to the stream, or passed through a curve. */
static void finish(const Trunk *t, const Matrix m, int64_t g, float *y, int how, float *to) {
    int64_t start = g * GROUP, count = m.out - start < GROUP ? m.out - start : GROUP;
    if (m.bias)
        for (int64_t i = 0; i < GROUP; i++) y[i] += m.bias[start + i];
    if (how == GATED) { /* y: 32 gates, then the 32 numbers they open for */
        int64_t left = t->hidden - g * 32, half = left < 32 ? left : 32;
        for (int i = 0; i < 32; i += LANES) {
            vec gate = load(y + i);
            store(y + i, gate * sigmoid(gate) * load(y + 32 + i));
        }
        memcpy(to + g * 32, y, sizeof(float) * half);
        return;
    }
    if (how == CURVED) /* GELU by tanh (Hendrycks and Gimpel 2016, sec. 2): tanh(u) = 2 sigmoid(2 u) - 1 */
        for (int i = 0; i < GROUP; i += LANES) {
            vec a = load(y + i);
            store(y + i, a * sigmoid(1.5957691216057308f * (a + 0.044715f * a * a * a)));
        }
    if (how == ADD)
        for (int64_t i = 0; i < count; i++) to[start + i] += y[i];
    else memcpy(to + start, y, sizeof(float) * count);
}

/* All of a matrix for all rows; whoever is free takes the next group of outputs. */
static void multiply(Worker *w, const Matrix m, int64_t rows, int how, float *to, int64_t stride) {
    const Trunk *t = w->job->t;
    int64_t groups = (m.out + GROUP - 1) / GROUP, g;
    int64_t most = t->kind == BYTES ? MOST_BYTES : MOST;
    float y[MOST * GROUP];
    while ((g = claim(w, groups)) >= 0)
        for (int64_t first = 0; first < rows; first += most) {
            int some = (int)(rows - first < most ? rows - first : most);
            product(t, m, g, w->job->entered, first, some, y);
            for (int r = 0; r < some; r++) finish(t, m, g, y + r * GROUP, how, to + (first + r) * stride);
        }
    meet(w);
}

/* ---- the rest of a layer ---- */

/* The sum of (x - mean) to the power of 1 or 2. */
static float added(const float *x, int64_t size, float mean, int power) {
    vec lanes = {0};
    int64_t i = 0;
    for (; i + LANES <= size; i += LANES) {
        vec a = load(x + i) - mean;
        if (power == 1) lanes += a;
        else lanes += a * a;
    }
    float total = sum(lanes);
    for (; i < size; i++) total += power == 1 ? x[i] - mean : (x[i] - mean) * (x[i] - mean);
    return total;
}

static void norm(const Norm n, float epsilon, const float *x, float *y, int64_t size) {
    float mean = n.bias ? added(x, size, 0, 1) / size : 0;
    float scale = 1 / sqrtf(added(x, size, mean, 2) / size + epsilon);
    for (int64_t i = 0; i < size; i++) y[i] = (x[i] - mean) * scale * n.weight[i] + (n.bias ? n.bias[i] : 0);
}

static void ready(const Job *j, const Layer *l, const Norm n, int64_t row, float *x) { /* a query or key: normalised, turned */
    int64_t channels = j->t->channels, half = channels / 2;
    if (n.weight) norm(n, j->t->epsilon, x, x, channels);
    if (!j->t->speeds || !l->turned) return;
    const float *cos = j->cos + row * half, *sin = j->sin + row * half;
    for (int64_t i = 0; i < half; i++) {
        float one = x[i], two = x[i + half];
        x[i] = one * cos[i] - two * sin[i];
        x[i + half] = two * cos[i] + one * sin[i];
    }
}

/* softmax(scale q K^T) V over `count` keys, in their order; weights has room for them, rounded up to whole vectors. */
static void attend(const float *q, const float *keys, const float *values, int64_t count, int64_t channels,
                   float scale, float *weights, float *y) {
    float most = -INFINITY, total = 0;
    int64_t full = (count + LANES - 1) / LANES * LANES;
    int64_t whole = channels % LANES ? 0 : count / 4 * 4; /* keys four at a time, the rest one by one */
    for (int64_t s = 0; s < whole; s += 4) {
        vec lanes[4] = {{0}};
        for (int64_t c = 0; c < channels; c += LANES) {
            vec a = load(q + c);
            for (int k = 0; k < 4; k++) lanes[k] += a * load(keys + (s + k) * channels + c);
        }
        quarter dots = scale * sums_of(lanes[0], lanes[1], lanes[2], lanes[3]);
        memcpy(weights + s, &dots, sizeof dots);
        for (int k = 0; k < 4; k++) most = dots[k] > most ? dots[k] : most;
    }
    for (int64_t s = whole; s < count; s++) {
        vec lanes = {0};
        int64_t c = 0;
        for (; c + LANES <= channels; c += LANES) lanes += load(q + c) * load(keys + s * channels + c);
        float dot = sum(lanes);
        for (; c < channels; c++) dot += q[c] * keys[s * channels + c];
        weights[s] = scale * dot;
        most = weights[s] > most ? weights[s] : most;
    }
    for (int64_t s = 0; s < count; s++) weights[s] = weights[s] - most > -87 ? weights[s] - most : -87;
    for (int64_t s = count; s < full; s++) weights[s] = 0;
    for (int64_t s = 0; s < full; s += LANES) store(weights + s, falling(load(weights + s)));
    for (int64_t s = 0; s < count; s++) total += weights[s];
    int64_t c = 0;
    for (; c + 4 * LANES <= channels; c += 4 * LANES) {
        vec sums[4] = {{0}};
        for (int64_t s = 0; s < count; s++)
            for (int i = 0; i < 4; i++) sums[i] += weights[s] * load(values + s * channels + c + i * LANES);
        for (int i = 0; i < 4; i++) store(y + c + i * LANES, sums[i] / total);
    }
    for (; c < channels; c++) {
        y[c] = 0;
        for (int64_t s = 0; s < count; s++) y[c] += weights[s] * values[s * channels + c];
        y[c] /= total;
    }
}

static void remember(Worker *w, const Layer *l) { /* keys and values of all rows, before anyone looks at them */
    Job *j = w->job;
    const Trunk *t = j->t;
    int64_t c = t->channels, wide = (t->heads + 2 * t->groups) * c, r;
    while ((r = claim(w, j->rows)) >= 0)
        for (int64_t g = 0; g < t->groups; g++) {
            float *key = j->q + r * wide + (t->heads + g) * c, *value = key + t->groups * c;
            int64_t at = ((j->slots[r] * t->groups + g) * j->room + j->places[r]) * c;
            ready(j, l, l->key_norm, r, key);
            memcpy(l->keys + at, key, sizeof(float) * c);
            memcpy(l->values + at, value, sizeof(float) * c);
        }
    meet(w);
}

static void look(Worker *w, const Layer *l) { /* each head of each row; the result takes the query's place */
    Job *j = w->job;
    const Trunk *t = j->t;
    int64_t c = t->channels, wide = (t->heads + 2 * t->groups) * c, shared = t->heads / t->groups, item;
    float scale = 1 / sqrtf((float)c), *weights = j->spare + w->number * (j->room + LANES + c), *y = weights + j->room + LANES;
    while ((item = claim(w, j->rows * t->heads)) >= 0) {
        int64_t r = item / t->heads, head = item % t->heads, end = j->places[r] + 1;
        int64_t first = t->window && end > t->window ? end - t->window : 0;
        float *query = j->q + r * wide + head * c;
        int64_t at = ((j->slots[r] * t->groups + head / shared) * j->room + first) * c;
        ready(j, l, l->query_norm, r, query);
        attend(query, l->keys + at, l->values + at, end - first, c, scale, weights, y);
        memcpy(query, y, sizeof(float) * c);
    }
    meet(w);
}

static void normed(Worker *w, const Norm n) { /* the stream, normalised, as the next product takes it */
    Job *j = w->job;
    int64_t d = j->t->width, r;
    while ((r = claim(w, j->rows)) >= 0) {
        norm(n, j->t->epsilon, j->x + r * d, j->h + r * d, d);
        enter(j->t, j->entered, r, j->h + r * d, d);
    }
    meet(w);
}

static void entered(Worker *w, const float *x, int64_t size, int64_t stride) {
    int64_t r;
    while ((r = claim(w, w->job->rows)) >= 0) enter(w->job->t, w->job->entered, r, x + r * stride, size);
    meet(w);
}

static void *work(void *given) {
    Worker *w = given;
    Job *j = w->job;
    const Trunk *t = j->t;
    int64_t wide = (t->heads + 2 * t->groups) * t->channels, r;
    for (int64_t i = 0; i < t->layers; i++) {
        const Layer *l = t->stack + i;
        normed(w, l->attention_norm);
        multiply(w, l->entry, j->rows, STORE, j->q, wide);
        remember(w, l);
        look(w, l);
        entered(w, j->q, t->heads * t->channels, wide);
        multiply(w, l->out, j->rows, ADD, j->x, t->width);
        normed(w, l->feed_norm);
        multiply(w, l->up, j->rows, t->gated ? GATED : CURVED, j->y, t->hidden);
        entered(w, j->y, t->hidden, t->hidden);
        multiply(w, l->down, j->rows, ADD, j->x, t->width);
    }
    while ((r = claim(w, j->wanted)) >= 0) {
        float *h = j->h + r * t->width;
        norm(t->norm, t->epsilon, j->x + j->which[r] * t->width, h, t->width);
        enter(t, j->entered, r, h, t->width);
    }
    meet(w);
    multiply(w, t->head, j->wanted, STORE, j->logits, t->vocab);
    return 0;
}

int64_t conjure_phases(int64_t layers) { return 10 * layers + 3; }

/* The job's rows through everything; `claims` are zeros. Threads end with the call. */
void conjure_language(Job *job) {
    const Trunk *t = job->t;
    int64_t half = t->channels / 2;
    if (t->speeds)
        for (int64_t r = 0; r < job->rows; r++)
            for (int64_t i = 0; i < half; i++) {
                float angle = (float)job->places[r] * t->speeds[i];
                job->cos[r * half + i] = cosf(angle);
                job->sin[r * half + i] = sinf(angle);
            }
    pthread_t others[THREADS];
    Worker workers[THREADS];
    int64_t begun = 1, asked = job->threads < THREADS ? job->threads : THREADS;
    atomic_store(&job->arrived, 0);
    atomic_store(&job->turn, 0);
    job->threads = asked;
    for (int64_t i = 0; i < asked; i++) workers[i] = (Worker){job, i, 0, 0};
    for (; begun < asked; begun++)
        if (pthread_create(others + begun, 0, work, workers + begun)) break;
    job->threads = begun; /* before the first meeting can end: this thread has not come yet */
    work(workers);
    for (int64_t i = 1; i < begun; i++) pthread_join(others[i], 0);
}
