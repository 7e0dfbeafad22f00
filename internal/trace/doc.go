// Package trace follows an event from its record's header to the vendor call: the W3C trace context, spans, and a sender that brings
// them to an OpenTelemetry collector by OTLP over HTTP.
//
// Nothing here can hold the daemon up. Spans wait in a queue that is bounded; what does not fit, or what the collector does not take,
// is dropped, counted and logged once a minute. A span is made when it has ended, so nothing is kept for one that is open.
//
// It is small on purpose, and not OpenTelemetry's SDK with kotel and otelhttp: ARCHITECTURE.md has the reasons and their numbers. What a span
// may say is in the hands of who makes it: names of the settings and the rule files, places in topics, numbers. Never a user, an event id, a
// text, a body, or what a vendor said.
package trace
