/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Short names for what protoc-c makes of proto/: struct pb_sum is the message Sum.
 */
#ifndef OTLP_PB_H
#define OTLP_PB_H

#include "proto/otlp_service.pb-c.h"

#define pb_any_value	    Opentelemetry__Proto__Common__V1__AnyValue
#define pb_array	    Opentelemetry__Proto__Common__V1__ArrayValue
#define pb_key_value	    Opentelemetry__Proto__Common__V1__KeyValue
#define pb_resource_metrics Opentelemetry__Proto__Metrics__V1__ResourceMetrics
#define pb_scope_metrics    Opentelemetry__Proto__Metrics__V1__ScopeMetrics
#define pb_metric	    Opentelemetry__Proto__Metrics__V1__Metric
#define pb_sum		    Opentelemetry__Proto__Metrics__V1__Sum
#define pb_number	    Opentelemetry__Proto__Metrics__V1__NumberDataPoint
#define pb_hist		    Opentelemetry__Proto__Metrics__V1__ExponentialHistogram
#define pb_hist_point	    Opentelemetry__Proto__Metrics__V1__ExponentialHistogramDataPoint
#define pb_buckets \
	Opentelemetry__Proto__Metrics__V1__ExponentialHistogramDataPoint__Buckets
#define pb_request \
	Opentelemetry__Proto__Collector__Metrics__V1__ExportMetricsServiceRequest
#define pb_request_unpack \
	opentelemetry__proto__collector__metrics__v1__export_metrics_service_request__unpack
#define pb_request_free \
	opentelemetry__proto__collector__metrics__v1__export_metrics_service_request__free_unpacked
#define pb_key_value_unpack opentelemetry__proto__common__v1__key_value__unpack
#define pb_response \
	Opentelemetry__Proto__Collector__Metrics__V1__ExportMetricsServiceResponse
#define pb_response_unpack \
	opentelemetry__proto__collector__metrics__v1__export_metrics_service_response__unpack
#define pb_response_free \
	opentelemetry__proto__collector__metrics__v1__export_metrics_service_response__free_unpacked

/* Values of the oneof fields and of the enumeration. */
#define PB_VALUE(name) OPENTELEMETRY__PROTO__COMMON__V1__ANY_VALUE__VALUE_##name
#define PB_DATA(name)  OPENTELEMETRY__PROTO__METRICS__V1__METRIC__DATA_##name
#define PB_NUMBER(name) \
	OPENTELEMETRY__PROTO__METRICS__V1__NUMBER_DATA_POINT__VALUE_##name
#define PB_SUM_IS_PRESENT \
	OPENTELEMETRY__PROTO__METRICS__V1__EXPONENTIAL_HISTOGRAM_DATA_POINT__SUM_PRESENT_SUM
#define PB_DELTA \
	OPENTELEMETRY__PROTO__METRICS__V1__AGGREGATION_TEMPORALITY__AGGREGATION_TEMPORALITY_DELTA
#define PB_CUMULATIVE \
	OPENTELEMETRY__PROTO__METRICS__V1__AGGREGATION_TEMPORALITY__AGGREGATION_TEMPORALITY_CUMULATIVE

#endif
