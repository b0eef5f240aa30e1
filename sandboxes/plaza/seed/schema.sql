CREATE TABLE members (
  id INTEGER PRIMARY KEY, email TEXT NOT NULL UNIQUE, name TEXT NOT NULL, joined_on TEXT NOT NULL, password TEXT NOT NULL,
  about TEXT NOT NULL DEFAULT '', zone TEXT NOT NULL DEFAULT 'UTC'
);
CREATE UNIQUE INDEX members_name ON members(name COLLATE NOCASE);
CREATE TABLE sessions (token TEXT PRIMARY KEY, member_id INTEGER REFERENCES members(id), expired INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;
CREATE TABLE forums (
  slug TEXT PRIMARY KEY, title TEXT NOT NULL, about TEXT NOT NULL, parent TEXT REFERENCES forums(slug), created_on TEXT NOT NULL,
  colour TEXT NOT NULL, position INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE moderators (
  forum TEXT NOT NULL REFERENCES forums(slug), member_id INTEGER NOT NULL REFERENCES members(id), PRIMARY KEY (forum, member_id)
) WITHOUT ROWID;
CREATE TABLE joined (
  member_id INTEGER NOT NULL REFERENCES members(id), forum TEXT NOT NULL REFERENCES forums(slug), PRIMARY KEY (member_id, forum)
) WITHOUT ROWID;
CREATE INDEX joined_forum ON joined(forum);
CREATE TABLE rules (id INTEGER PRIMARY KEY AUTOINCREMENT, forum TEXT NOT NULL REFERENCES forums(slug), text TEXT NOT NULL);
CREATE TABLE flairs (forum TEXT NOT NULL REFERENCES forums(slug), name TEXT NOT NULL, PRIMARY KEY (forum, name)) WITHOUT ROWID;
CREATE TABLE words (forum TEXT NOT NULL REFERENCES forums(slug), word TEXT NOT NULL, PRIMARY KEY (forum, word)) WITHOUT ROWID;
CREATE TABLE bans (
  forum TEXT NOT NULL REFERENCES forums(slug), member_id INTEGER NOT NULL REFERENCES members(id), reason TEXT NOT NULL, banned_at TEXT NOT NULL,
  PRIMARY KEY (forum, member_id)
) WITHOUT ROWID;
CREATE TABLE posts (
  id INTEGER PRIMARY KEY AUTOINCREMENT, forum TEXT NOT NULL REFERENCES forums(slug), author_id INTEGER NOT NULL REFERENCES members(id),
  kind TEXT NOT NULL, title TEXT NOT NULL, body TEXT NOT NULL DEFAULT '', url TEXT NOT NULL DEFAULT '', flair TEXT NOT NULL DEFAULT '',
  crosspost_of INTEGER REFERENCES posts(id), ups INTEGER NOT NULL DEFAULT 1, downs INTEGER NOT NULL DEFAULT 0, hot REAL NOT NULL,
  heat REAL NOT NULL DEFAULT 0, comments INTEGER NOT NULL DEFAULT 0, created_at TEXT NOT NULL, edited_at TEXT, status TEXT NOT NULL DEFAULT 'live',
  locked INTEGER NOT NULL DEFAULT 0, pinned INTEGER NOT NULL DEFAULT 0, search TEXT NOT NULL
);
CREATE INDEX posts_forum ON posts(forum);
CREATE INDEX posts_author ON posts(author_id);
CREATE TABLE comments (
  id INTEGER PRIMARY KEY AUTOINCREMENT, post_id INTEGER NOT NULL REFERENCES posts(id), parent_id INTEGER REFERENCES comments(id),
  author_id INTEGER NOT NULL REFERENCES members(id), body TEXT NOT NULL, ups INTEGER NOT NULL DEFAULT 1, downs INTEGER NOT NULL DEFAULT 0,
  created_at TEXT NOT NULL, edited_at TEXT, status TEXT NOT NULL DEFAULT 'live'
);
CREATE INDEX comments_post ON comments(post_id);
CREATE INDEX comments_author ON comments(author_id);
CREATE TABLE votes (
  member_id INTEGER NOT NULL REFERENCES members(id), kind TEXT NOT NULL, target INTEGER NOT NULL, value INTEGER NOT NULL,
  PRIMARY KEY (member_id, kind, target)
) WITHOUT ROWID;
CREATE TABLE saved (
  member_id INTEGER NOT NULL REFERENCES members(id), kind TEXT NOT NULL, target INTEGER NOT NULL, saved_at TEXT NOT NULL,
  PRIMARY KEY (member_id, kind, target)
) WITHOUT ROWID;
CREATE TABLE reports (
  id INTEGER PRIMARY KEY AUTOINCREMENT, forum TEXT NOT NULL REFERENCES forums(slug), kind TEXT NOT NULL, target INTEGER NOT NULL,
  reporter_id INTEGER NOT NULL REFERENCES members(id), reason TEXT NOT NULL, created_at TEXT NOT NULL, status TEXT NOT NULL DEFAULT 'open'
);
CREATE INDEX reports_forum ON reports(forum, status);
CREATE TABLE modlog (
  id INTEGER PRIMARY KEY AUTOINCREMENT, forum TEXT NOT NULL REFERENCES forums(slug), moderator_id INTEGER NOT NULL REFERENCES members(id),
  action TEXT NOT NULL, subject TEXT NOT NULL, link TEXT NOT NULL DEFAULT '', reason TEXT NOT NULL DEFAULT '', made_at TEXT NOT NULL
);
CREATE INDEX modlog_forum ON modlog(forum);
CREATE TABLE drafts (
  id INTEGER PRIMARY KEY AUTOINCREMENT, member_id INTEGER NOT NULL REFERENCES members(id), forum TEXT NOT NULL REFERENCES forums(slug),
  kind TEXT NOT NULL, title TEXT NOT NULL, body TEXT NOT NULL, url TEXT NOT NULL, saved_at TEXT NOT NULL
);
CREATE INDEX drafts_member ON drafts(member_id);
CREATE TABLE messages (
  id INTEGER PRIMARY KEY AUTOINCREMENT, sender_id INTEGER NOT NULL REFERENCES members(id), recipient_id INTEGER NOT NULL REFERENCES members(id),
  body TEXT NOT NULL, sent_at TEXT NOT NULL, seen INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX messages_sender ON messages(sender_id);
CREATE INDEX messages_recipient ON messages(recipient_id);
CREATE TABLE notices (
  id INTEGER PRIMARY KEY AUTOINCREMENT, member_id INTEGER NOT NULL REFERENCES members(id), text TEXT NOT NULL, link TEXT NOT NULL,
  made_at TEXT NOT NULL, seen INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX notices_member ON notices(member_id);
