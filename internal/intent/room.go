package intent

// Room is memory for the intents of one record, used again for the next. The zero Room is ready for use. It belongs to one goroutine.
type Room struct {
	intents  []*Intent
	contents []*Content
	profiles []*Profile
	list     []*Intent

	in, con, pro int // taken
}

// Empty takes everything back: intents, contents and profiles that came from the room are gone.
func (r *Room) Empty() { r.in, r.con, r.pro, r.list = 0, 0, 0, r.list[:0] }

// Intent gives an empty intent.
func (r *Room) Intent() *Intent {
	if r.in == len(r.intents) {
		r.intents = append(r.intents, new(Intent))
	}
	in := r.intents[r.in]
	r.in++
	*in = Intent{}
	return in
}

// Content gives an empty content.
func (r *Room) Content() *Content {
	if r.con == len(r.contents) {
		r.contents = append(r.contents, new(Content))
	}
	c := r.contents[r.con]
	r.con++
	*c = Content{}
	return c
}

// Profile gives an empty profile, its map of fields ready.
func (r *Room) Profile() *Profile {
	if r.pro == len(r.profiles) {
		r.profiles = append(r.profiles, &Profile{Fields: map[string]Value{}})
	}
	p := r.profiles[r.pro]
	r.pro++
	clear(p.Fields)
	*p = Profile{Fields: p.Fields}
	return p
}

// List gives an empty list that may be filled up to n without another allocation; lists from before stay as they are until Empty.
func (r *Room) List(n int) []*Intent {
	if cap(r.list)-len(r.list) < n {
		r.list = make([]*Intent, 0, max(n, 64))
	}
	from := len(r.list)
	r.list = r.list[:from+n]
	return r.list[from : from : from+n]
}
