/*
 * sessions/series.h - how the reducer builds a curve; views only read it (oc_series_range).
 *
 * x never falls: the reducer cuts before it appends a point that lies before the last one.
 * level[k][j] holds the extremes of points [j << (k+4), (j+1) << (k+4)); level k exists once there
 * are more than 2^(k+4) points, so short curves cost nothing.
 */
#ifndef OC_SESSIONS_SERIES_H
#define OC_SESSIONS_SERIES_H

#include "core/base/err.h"
#include "sessions/state.h"

/* Room for one more point; on OC_NOMEM the curve is as it was. */
oc_status oc_series_reserve(oc_series *s, oc_err *err) OC_NODISCARD;
/* Append; needs a reserve before each call. */
void oc_series_push(oc_series *s, double x, double y, double t);
/* Drop the points with x > last. Keeps the memory. */
void oc_series_cut(oc_series *s, double last);
void oc_series_release(oc_series *s);

#endif
