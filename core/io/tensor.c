#include "core/io/tensor.h"

#include <assert.h>
#include <string.h>

#include "core/base/attr.h"

// Files are little-endian, and their numbers are used where they lie in the map.
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "a little-endian machine");
static_assert(sizeof(float) == 4 && sizeof(double) == 8, "IEEE floats");

static const struct {
    const char *name;
    int32_t bytes;
} dtypes[] = {
    [OC_DT_F64] = {"F64", 8},
    [OC_DT_F32] = {"F32", 4},
    [OC_DT_F16] = {"F16", 2},
    [OC_DT_BF16] = {"BF16", 2},
    [OC_DT_I64] = {"I64", 8},
    [OC_DT_I32] = {"I32", 4},
    [OC_DT_I16] = {"I16", 2},
    [OC_DT_I8] = {"I8", 1},
    [OC_DT_U8] = {"U8", 1},
    [OC_DT_BOOL] = {"BOOL", 1},
    [OC_DT_OTHER] = {"another type", 0},
};

const char *oc_dtype_name(oc_dtype t)
{
    return dtypes[t].name;
}

int64_t oc_dtype_bytes(oc_dtype t)
{
    return dtypes[t].bytes;
}

bool oc_dtype_is_float(oc_dtype t)
{
    return t == OC_DT_F64 || t == OC_DT_F32 || t == OC_DT_F16 || t == OC_DT_BF16;
}

oc_dtype oc_dtype_find(const char *name)
{
    for (int i = 0; i < OC_DT_OTHER; i++)
        if (!strcmp(dtypes[i].name, name))
            return (oc_dtype)i;
    return OC_DT_OTHER;
}

static float from_bits(uint32_t u)
{
    float f;
    memcpy(&f, &u, sizeof f);
    return f;
}

static float from_f16(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, e = h >> 10 & 31, m = h & 0x3ff;
    if (e == 31)
        return from_bits(sign | 0x7f800000 | m << 13);
    if (e > 0)
        return from_bits(sign | (e + 112) << 23 | m << 13);
    float f = (float)m * 0x1p-24f; // subnormal: exact in f32
    return sign ? -f : f;
}

oc_status oc_tensor_read_f32(const oc_tensor *t, float *dst, oc_err *err)
{
    const unsigned char *p = t->data;
    if (t->n == 0 && oc_dtype_is_float(t->dtype))
        return OC_OK; // data may be NULL
    if (t->dtype == OC_DT_F32) {
        memcpy(dst, p, (size_t)t->bytes);
    } else if (t->dtype == OC_DT_F64) {
        for (int64_t i = 0; i < t->n; i++) {
            double v;
            memcpy(&v, p + 8 * i, sizeof v);
            dst[i] = (float)v;
        }
    } else if (t->dtype == OC_DT_F16 || t->dtype == OC_DT_BF16) {
        for (int64_t i = 0; i < t->n; i++) {
            uint16_t v;
            memcpy(&v, p + 2 * i, sizeof v);
            dst[i] = t->dtype == OC_DT_F16 ? from_f16(v) : from_bits((uint32_t)v << 16);
        }
    } else {
        return OC_FAIL(err, OC_UNSUPPORTED,
                       "tensor %.150s is %s; F32, F16, BF16 or F64 was expected", t->name,
                       oc_dtype_name(t->dtype));
    }
    return OC_OK;
}
