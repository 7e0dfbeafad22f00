//go:build synctests

package sim

const catalogue = `
version: 1
events:
  profile.changed:
    title: Profile changed
    topic: user-profiles
    kind: profile
    update: patch
    id: event_id
    time: ts
    user: user_id
    fields:
      city:  {path: profile.city}
      level: {path: profile.level}
  sale.opened:
    title: Sale opened
    topic: shop.sales
    id: sale_id
    time: opened_at
    fields:
      city: {path: city}
      product: product
  order.paid:
    title: Order paid
    topic: shop.orders
    id: order_id
    time: paid_at
    user: user_id
    fields:
      product: product
`

// ruleFile keeps tags, one push that is worth an hour and one broadcast that is worth ten days.
const ruleFile = `
version: 1
defaults: {owner: sim}
rules:
  - name: city-tag
    event: profile.changed
    tags: ["city_${city}"]
  - name: level-tag
    event: profile.changed
    tags: ["level_${level}"]
  - name: sale
    event: sale.opened
    mode: live
    class: marketing
    when: always
    broadcast:
      audience: {all_of: ["city_${city}"]}
      title: "${city}"
      body: "${product}"
    limits: {quiet: none, expire: 240h}
  - name: order
    event: order.paid
    mode: live
    class: service
    when: always
    push: {title: "Thanks", body: "${product}"}
    limits: {quiet: none, expire: 1h}
`
