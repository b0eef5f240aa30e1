CREATE TABLE categories (slug TEXT PRIMARY KEY, name TEXT NOT NULL, blurb TEXT NOT NULL, position INTEGER NOT NULL);
CREATE TABLE products (
  id INTEGER PRIMARY KEY, slug TEXT NOT NULL UNIQUE, name TEXT NOT NULL, brand TEXT NOT NULL,
  category TEXT NOT NULL REFERENCES categories(slug), price_cents INTEGER NOT NULL, was_cents INTEGER,
  description TEXT NOT NULL, search TEXT NOT NULL,
  rating_sum INTEGER NOT NULL DEFAULT 0, rating_count INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX products_category ON products(category);
CREATE TABLE variants (
  sku TEXT PRIMARY KEY, product_id INTEGER NOT NULL REFERENCES products(id), label TEXT NOT NULL,
  extra_cents INTEGER NOT NULL, stock INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX variants_product ON variants(product_id, stock);
CREATE TABLE customers (
  id INTEGER PRIMARY KEY, email TEXT NOT NULL UNIQUE, name TEXT NOT NULL, phone TEXT NOT NULL DEFAULT '',
  password TEXT NOT NULL, staff INTEGER NOT NULL DEFAULT 0, newsletter INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE addresses (
  id INTEGER PRIMARY KEY AUTOINCREMENT, customer_id INTEGER NOT NULL REFERENCES customers(id),
  name TEXT NOT NULL, street TEXT NOT NULL, city TEXT NOT NULL, region TEXT NOT NULL, postcode TEXT NOT NULL,
  is_default INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX addresses_customer ON addresses(customer_id);
CREATE TABLE sessions (token TEXT PRIMARY KEY, customer_id INTEGER REFERENCES customers(id), cart_key TEXT) WITHOUT ROWID;
CREATE TABLE carts (
  key TEXT PRIMARY KEY, customer_id INTEGER REFERENCES customers(id), coupon TEXT, address_id INTEGER,
  shipping TEXT, payment TEXT, checkouts INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE cart_lines (
  cart_key TEXT NOT NULL REFERENCES carts(key) ON DELETE CASCADE, sku TEXT NOT NULL REFERENCES variants(sku),
  qty INTEGER NOT NULL, PRIMARY KEY (cart_key, sku)
);
CREATE TABLE orders (
  number INTEGER PRIMARY KEY, customer_id INTEGER NOT NULL REFERENCES customers(id), status TEXT NOT NULL,
  subtotal_cents INTEGER NOT NULL, discount_cents INTEGER NOT NULL, shipping_cents INTEGER NOT NULL,
  total_cents INTEGER NOT NULL, coupon TEXT, shipping TEXT NOT NULL, payment TEXT NOT NULL, ship_to TEXT NOT NULL,
  placed_at TEXT NOT NULL, request_key TEXT
);
CREATE INDEX orders_customer ON orders(customer_id);
CREATE TABLE order_lines (
  id INTEGER PRIMARY KEY, order_number INTEGER NOT NULL REFERENCES orders(number), sku TEXT NOT NULL,
  name TEXT NOT NULL, label TEXT NOT NULL, qty INTEGER NOT NULL, unit_cents INTEGER NOT NULL
);
CREATE INDEX order_lines_order ON order_lines(order_number);
CREATE TABLE wishlist (
  customer_id INTEGER NOT NULL REFERENCES customers(id), product_id INTEGER NOT NULL REFERENCES products(id),
  PRIMARY KEY (customer_id, product_id)
);
CREATE TABLE coupons (
  code TEXT PRIMARY KEY, kind TEXT NOT NULL, value INTEGER NOT NULL, minimum_cents INTEGER NOT NULL,
  expires TEXT NOT NULL, active INTEGER NOT NULL, description TEXT NOT NULL
);
CREATE TABLE reviews (
  id INTEGER PRIMARY KEY AUTOINCREMENT, product_id INTEGER NOT NULL REFERENCES products(id),
  customer_id INTEGER REFERENCES customers(id), author TEXT NOT NULL, rating INTEGER NOT NULL, title TEXT NOT NULL,
  body TEXT NOT NULL, created_on TEXT NOT NULL
);
CREATE INDEX reviews_product ON reviews(product_id);
CREATE TABLE returns (
  id INTEGER PRIMARY KEY AUTOINCREMENT, order_number INTEGER NOT NULL REFERENCES orders(number), sku TEXT NOT NULL,
  qty INTEGER NOT NULL, reason TEXT NOT NULL, comment TEXT NOT NULL, status TEXT NOT NULL, created_at TEXT NOT NULL
);
CREATE TABLE refunds (
  id INTEGER PRIMARY KEY AUTOINCREMENT, order_number INTEGER NOT NULL REFERENCES orders(number),
  return_id INTEGER REFERENCES returns(id), amount_cents INTEGER NOT NULL, status TEXT NOT NULL,
  created_at TEXT NOT NULL
);
CREATE TABLE tickets (
  id INTEGER PRIMARY KEY AUTOINCREMENT, customer_id INTEGER REFERENCES customers(id), email TEXT NOT NULL,
  topic TEXT NOT NULL, order_number INTEGER, message TEXT NOT NULL, status TEXT NOT NULL, created_at TEXT NOT NULL
);
CREATE TABLE shipments (
  order_number INTEGER PRIMARY KEY REFERENCES orders(number), shipped_on TEXT NOT NULL, delivered_on TEXT
);
CREATE TABLE mail (
  id INTEGER PRIMARY KEY AUTOINCREMENT, customer_id INTEGER NOT NULL REFERENCES customers(id), kind TEXT NOT NULL,
  subject TEXT NOT NULL, body TEXT NOT NULL, code TEXT, order_number INTEGER, sent_at TEXT NOT NULL,
  arrives_at TEXT NOT NULL
);
CREATE INDEX mail_customer ON mail(customer_id);
CREATE TABLE verification_codes (
  id INTEGER PRIMARY KEY AUTOINCREMENT, customer_id INTEGER NOT NULL REFERENCES customers(id), code TEXT NOT NULL,
  status TEXT NOT NULL, sent_at TEXT NOT NULL
);
CREATE TABLE verifications (
  id INTEGER PRIMARY KEY AUTOINCREMENT, customer_id INTEGER NOT NULL REFERENCES customers(id), method TEXT NOT NULL,
  passed INTEGER NOT NULL, checked_at TEXT NOT NULL
);
CREATE TABLE return_labels (
  return_id INTEGER PRIMARY KEY REFERENCES returns(id), code TEXT NOT NULL, status TEXT NOT NULL
);
CREATE TABLE refund_details (
  refund_id INTEGER PRIMARY KEY REFERENCES refunds(id), kind TEXT NOT NULL, destination TEXT NOT NULL, reason TEXT NOT NULL
);
CREATE TABLE exchanges (
  id INTEGER PRIMARY KEY AUTOINCREMENT, order_number INTEGER NOT NULL REFERENCES orders(number), sku TEXT NOT NULL,
  new_sku TEXT NOT NULL REFERENCES variants(sku), qty INTEGER NOT NULL, difference_cents INTEGER NOT NULL,
  created_at TEXT NOT NULL
);
CREATE INDEX exchanges_order ON exchanges(order_number);
CREATE TABLE coupon_grants (
  code TEXT PRIMARY KEY REFERENCES coupons(code), customer_id INTEGER NOT NULL REFERENCES customers(id),
  order_number INTEGER REFERENCES orders(number), reason TEXT NOT NULL, created_at TEXT NOT NULL
);
CREATE TABLE ticket_notes (
  id INTEGER PRIMARY KEY AUTOINCREMENT, ticket_id INTEGER NOT NULL REFERENCES tickets(id), author TEXT NOT NULL,
  note TEXT NOT NULL, created_at TEXT NOT NULL
);
CREATE TABLE escalations (
  id INTEGER PRIMARY KEY AUTOINCREMENT, reason TEXT NOT NULL, summary TEXT NOT NULL,
  customer_id INTEGER REFERENCES customers(id), order_number INTEGER, created_at TEXT NOT NULL
);
