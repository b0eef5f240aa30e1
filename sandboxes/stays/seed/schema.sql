CREATE TABLE places (
  slug TEXT PRIMARY KEY, name TEXT NOT NULL, region TEXT NOT NULL, country TEXT NOT NULL, zone TEXT NOT NULL,
  scene TEXT NOT NULL, blurb TEXT NOT NULL, tax_bps INTEGER NOT NULL, tourist_cents INTEGER NOT NULL, position INTEGER NOT NULL
);
CREATE TABLE members (
  id INTEGER PRIMARY KEY, email TEXT NOT NULL UNIQUE, name TEXT NOT NULL, phone TEXT NOT NULL DEFAULT '', about TEXT NOT NULL DEFAULT '',
  city TEXT NOT NULL DEFAULT '', joined_on TEXT NOT NULL, password TEXT NOT NULL, is_host INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE sessions (token TEXT PRIMARY KEY, member_id INTEGER REFERENCES members(id), expired INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;
CREATE TABLE listings (
  id INTEGER PRIMARY KEY, slug TEXT NOT NULL UNIQUE, host_id INTEGER NOT NULL REFERENCES members(id), place TEXT NOT NULL REFERENCES places(slug),
  title TEXT NOT NULL, kind TEXT NOT NULL, room TEXT NOT NULL, neighbourhood TEXT NOT NULL, description TEXT NOT NULL, guests INTEGER NOT NULL,
  bedrooms INTEGER NOT NULL, beds INTEGER NOT NULL, baths TEXT NOT NULL, nightly_cents INTEGER NOT NULL, weekend_cents INTEGER NOT NULL,
  cleaning_cents INTEGER NOT NULL, weekly_percent INTEGER NOT NULL, monthly_percent INTEGER NOT NULL, policy TEXT NOT NULL,
  instant INTEGER NOT NULL, min_nights INTEGER NOT NULL, check_in_hour INTEGER NOT NULL, check_out_hour INTEGER NOT NULL,
  rules TEXT NOT NULL, search TEXT NOT NULL, rating_sum INTEGER NOT NULL DEFAULT 0, rating_count INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX listings_place ON listings(place);
CREATE INDEX listings_host ON listings(host_id);
CREATE TABLE amenities (
  listing_id INTEGER NOT NULL REFERENCES listings(id), amenity TEXT NOT NULL, PRIMARY KEY (listing_id, amenity)
) WITHOUT ROWID;
CREATE TABLE calendar (
  listing_id INTEGER NOT NULL REFERENCES listings(id), night TEXT NOT NULL, blocked INTEGER NOT NULL DEFAULT 0, cents INTEGER,
  PRIMARY KEY (listing_id, night)
) WITHOUT ROWID;
CREATE TABLE reservations (
  number INTEGER PRIMARY KEY, listing_id INTEGER NOT NULL REFERENCES listings(id), guest_id INTEGER NOT NULL REFERENCES members(id),
  status TEXT NOT NULL, check_in TEXT NOT NULL, check_out TEXT NOT NULL, guests INTEGER NOT NULL, nights INTEGER NOT NULL,
  nights_cents INTEGER NOT NULL, long_stay_cents INTEGER NOT NULL, coupon TEXT, coupon_cents INTEGER NOT NULL, cleaning_cents INTEGER NOT NULL,
  service_cents INTEGER NOT NULL, tax_cents INTEGER NOT NULL, total_cents INTEGER NOT NULL, payment TEXT NOT NULL, note TEXT NOT NULL,
  booked_at TEXT NOT NULL, cancelled_at TEXT, refund_due_cents INTEGER, request_key TEXT
);
CREATE INDEX reservations_guest ON reservations(guest_id);
CREATE INDEX reservations_listing ON reservations(listing_id);
CREATE TABLE booked_nights (
  reservation INTEGER NOT NULL REFERENCES reservations(number), listing_id INTEGER NOT NULL, night TEXT NOT NULL,
  PRIMARY KEY (reservation, night)
) WITHOUT ROWID;
CREATE INDEX booked_nights_listing ON booked_nights(listing_id, night);
CREATE TABLE payments (
  id INTEGER PRIMARY KEY AUTOINCREMENT, reservation INTEGER NOT NULL REFERENCES reservations(number), kind TEXT NOT NULL,
  amount_cents INTEGER NOT NULL, method TEXT NOT NULL, made_at TEXT NOT NULL
);
CREATE INDEX payments_reservation ON payments(reservation);
CREATE TABLE payouts (
  reservation INTEGER PRIMARY KEY REFERENCES reservations(number), host_id INTEGER NOT NULL REFERENCES members(id),
  amount_cents INTEGER NOT NULL, status TEXT NOT NULL, due_on TEXT NOT NULL
);
CREATE INDEX payouts_host ON payouts(host_id);
CREATE TABLE cards (
  id INTEGER PRIMARY KEY AUTOINCREMENT, member_id INTEGER NOT NULL REFERENCES members(id), brand TEXT NOT NULL, last4 TEXT NOT NULL,
  expires TEXT NOT NULL, is_default INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX cards_member ON cards(member_id);
CREATE TABLE drafts (
  member_id INTEGER NOT NULL REFERENCES members(id), listing_id INTEGER NOT NULL REFERENCES listings(id), check_in TEXT NOT NULL,
  check_out TEXT NOT NULL, guests INTEGER NOT NULL, note TEXT NOT NULL DEFAULT '', coupon TEXT, card_id INTEGER, turn INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (member_id, listing_id)
) WITHOUT ROWID;
CREATE TABLE coupons (
  code TEXT PRIMARY KEY, kind TEXT NOT NULL, value INTEGER NOT NULL, minimum_cents INTEGER NOT NULL, expires TEXT NOT NULL,
  active INTEGER NOT NULL, description TEXT NOT NULL
);
CREATE TABLE threads (
  id INTEGER PRIMARY KEY AUTOINCREMENT, listing_id INTEGER NOT NULL REFERENCES listings(id), guest_id INTEGER NOT NULL REFERENCES members(id),
  UNIQUE (listing_id, guest_id)
);
CREATE TABLE messages (
  id INTEGER PRIMARY KEY AUTOINCREMENT, thread_id INTEGER NOT NULL REFERENCES threads(id), sender_id INTEGER NOT NULL REFERENCES members(id),
  body TEXT NOT NULL, sent_at TEXT NOT NULL
);
CREATE INDEX messages_thread ON messages(thread_id);
CREATE TABLE reviews (
  id INTEGER PRIMARY KEY AUTOINCREMENT, listing_id INTEGER NOT NULL REFERENCES listings(id), reservation INTEGER REFERENCES reservations(number),
  guest_id INTEGER REFERENCES members(id), author TEXT NOT NULL, rating INTEGER NOT NULL, body TEXT NOT NULL, created_on TEXT NOT NULL,
  reply TEXT NOT NULL DEFAULT ''
);
CREATE INDEX reviews_listing ON reviews(listing_id);
CREATE TABLE wishlists (id INTEGER PRIMARY KEY AUTOINCREMENT, member_id INTEGER NOT NULL REFERENCES members(id), name TEXT NOT NULL);
CREATE INDEX wishlists_member ON wishlists(member_id);
CREATE TABLE saved (
  wishlist_id INTEGER NOT NULL REFERENCES wishlists(id) ON DELETE CASCADE, listing_id INTEGER NOT NULL REFERENCES listings(id),
  PRIMARY KEY (wishlist_id, listing_id)
) WITHOUT ROWID;
