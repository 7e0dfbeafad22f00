package main

import (
	"fmt"
	"html"
	"math"
	"slices"
	"strings"
)

// chart is lines over an x axis of powers of ten.
type chart struct {
	title, note string
	x, y        axis
	lines       []line
}

type axis struct {
	from, to float64
	label    string
	linear   bool // else by powers of ten
	marks    []mark
}

type mark struct {
	at   float64
	text string
}

type line struct {
	name   string
	points [][2]float64
}

// The picture, in its own units: the plot with room for marks on the left, names on the right, title above.
const (
	width, height                    = 760, 400
	left, right, top, bottom         = 70, 190, 56, 48
	plotRight, plotBottom            = width - right, height - bottom
	nameHeight               float64 = 16
)

// colours are told apart with every common kind of colour blindness, on white and on black; each line is also named at its end.
var colours = []string{"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b8860b"}

// place gives where a value lies between two ends.
func (a axis) place(v, from, to float64) float64 {
	part := (v - a.from) / (a.to - a.from)
	if !a.linear {
		part = math.Log(v/a.from) / math.Log(a.to/a.from)
	}
	return from + part*(to-from)
}

func (c *chart) svg() string {
	var b strings.Builder
	put := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	put(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img" aria-label="%s" font-family="sans-serif" font-size="12">`, width, height, html.EscapeString(c.title))
	put(`<style>text{fill:#1f2328}.faint{stroke:#d1d9e0}@media(prefers-color-scheme:dark){text{fill:#e6edf3}.faint{stroke:#3d444d}}</style>`)
	put(`<text x="%d" y="22" font-size="15" font-weight="bold">%s</text>`, left, html.EscapeString(c.title))
	put(`<text x="%d" y="40">%s</text>`, left, html.EscapeString(c.note))
	for _, m := range c.x.marks {
		x := c.x.place(m.at, left, plotRight)
		put(`<line class="faint" x1="%.1f" y1="%d" x2="%.1f" y2="%d"/>`, x, top, x, plotBottom)
		put(`<text x="%.1f" y="%d" text-anchor="middle">%s</text>`, x, plotBottom+18, m.text)
	}
	for _, m := range c.y.marks {
		y := c.y.place(m.at, plotBottom, top)
		put(`<line class="faint" x1="%d" y1="%.1f" x2="%d" y2="%.1f"/>`, left, y, plotRight, y)
		put(`<text x="%d" y="%.1f" text-anchor="end">%s</text>`, left-8, y+4, m.text)
	}
	put(`<text x="%d" y="%d" text-anchor="middle">%s</text>`, (left+plotRight)/2, plotBottom+38, c.x.label)
	put(`<text transform="rotate(-90)" x="%d" y="16" text-anchor="middle">%s</text>`, -(top+plotBottom)/2, c.y.label)
	names := c.names()
	for i, l := range c.lines {
		var points []string
		for _, p := range l.points {
			points = append(points, fmt.Sprintf("%.1f,%.1f", c.x.place(p[0], left, plotRight), c.y.place(p[1], plotBottom, top)))
		}
		colour := colours[i%len(colours)]
		put(`<polyline fill="none" stroke="%s" stroke-width="2" points="%s"/>`, colour, strings.Join(points, " "))
		for _, p := range points {
			x, y, _ := strings.Cut(p, ",")
			put(`<circle cx="%s" cy="%s" r="3" fill="%s"/>`, x, y, colour)
		}
		put(`<text x="%d" y="%.1f" style="fill:%s">%s</text>`, plotRight+8, names[i]+4, colour, html.EscapeString(l.name))
	}
	b.WriteString("</svg>\n")
	return b.String()
}

// names gives the heights of the lines' names: beside their ends, moved down where they would overlap.
func (c *chart) names() []float64 {
	order := make([]int, len(c.lines))
	at := make([]float64, len(c.lines))
	for i, l := range c.lines {
		order[i], at[i] = i, c.y.place(l.points[len(l.points)-1][1], plotBottom, top)
	}
	slices.SortStableFunc(order, func(a, b int) int { return int(math.Copysign(1, at[a]-at[b])) })
	for i := 1; i < len(order); i++ {
		at[order[i]] = max(at[order[i]], at[order[i-1]]+nameHeight)
	}
	return at
}
