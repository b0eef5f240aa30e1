"""What people report about Heron: an area, then one line a report: title | what happened.

A leading letter says what it is: c critical, u urgent, b bug, f feature, w wish.
"""

AREAS = {
    "rota": """
b Swapping two shifts keeps the old reminder | Ben and Lena swapped Saturday, and Ben still got the reminder.
u Deleting a shift deletes the whole series | I removed one Tuesday and every Tuesday until December was gone.
b Copying last week's rota skips the first shift | Monday's opening shift is missing after "copy last week", every time.
b A shift that ends at midnight is shown on two days | 20:00 to 00:00 appears on Friday and again, empty, on Saturday.
b Two people can claim the last free place | One place in the van, two confirmations within a minute.
f Let coordinators lock a rota once it is published | People keep moving themselves around on the evening before.
w Colour shifts by team | With five teams on one page nobody finds their own line any more.
b Rota view forgets the chosen week after saving | I edit a shift in week 34, save, and am back in the current week.
b Minimum staffing warning ignores trainees | A shift with two trainees and nobody else shows green.
f Stand-by list per shift | We keep one on paper for when somebody calls in sick.
b Undo after a drag puts the shift on the wrong day | Drag from Wednesday to Thursday, undo, and it lands on Tuesday.
""",
    "calendar": """
b All-day events move by a day when the clocks change | Our open day is on 29 March and shows on the 28th.
b Subscribed calendar shows cancelled meetings | They are struck through in Heron and plainly there in the feed.
b Month view hides the fifth event without a hint | There should be a "more" link, as in the week view.
f Show school holidays | Half of our volunteers are parents; we plan around them anyway.
b Week numbers are off by one in January | Week 1 starts on 5 January here, and Heron calls it week 2.
b Repeating event with an end date repeats once too often | "Until 30 June" also gives me the 7th of July.
w Remember whether I use week or month view | Every visit starts in month view.
b Event descriptions lose line breaks in the feed | A list of what to bring arrives as one long line.
b Editing one meeting of a series changes its colour only | Title and room stay as they were.
f Rooms as something that can be double-booked | Twice this month two groups stood before the same door.
""",
    "import": """
u Import of a spreadsheet with a blank row stops without a message | Rows after the blank one are simply not there.
b Umlauts in imported names become question marks | Müller arrives as M?ller, in a file saved on Windows.
b Dates like 03/04 are read as March in a British account | The account's language is set to English (United Kingdom).
b Import twice, get everybody twice | I expected people with the same address to be recognised.
f Tell which line of the file is wrong | "Invalid phone number" in a file of 400 lines is no help.
b Phone numbers lose their leading zero | The column is text in the file.
w Import photos with the member list | We have them named by membership number.
b Column matching forgets my choices after an error | I have to pick all twelve columns again.
b Import claims success for an empty file | "0 people imported" in a green box.
f Dry run for imports | I would like to see what would change before it does.
""",
    "export": """
b Exported rota has the columns in another order than the page | We noticed after printing sixty copies.
b CSV export breaks on a semicolon in a note | Everything after it moves one column to the right.
f Export to a plain calendar file for one person | Not everybody wants to subscribe.
b Export of a long period times out | A whole year takes more than a minute and then shows an error page.
b Hours in the export are rounded to whole hours | 2.5 hours become 2, and the yearly statement is wrong.
w Remember the columns of the last export | I need the same six every month.
b Names with a comma are not quoted | "Baker, Jo" takes two cells.
b Exported file is called download.csv | With several of them in a folder nobody knows which is which.
f Export who has read the announcement | The board asks every time.
b Totals in the export leave out today | A shift of this morning counts only from tomorrow.
""",
    "mail": """
u Reminder mails are sent twice | Since the update on Monday everybody gets each reminder two times, seconds apart.
b Reply-to of announcements is the system's address | Answers vanish.
b Mail to a group stops at the first bad address | The remaining forty did not get it, and nobody was told.
f Attach the rota to the weekly mail | As text in the mail is fine.
b Subject lines with an accent arrive as code | =?utf-8?... is what our members see, in one older mail program.
w Digest instead of single mails | Five mails on a busy evening is four too many.
b Unsubscribe link needs a login | Most people who want to leave have long forgotten their password.
b Reminders ignore the pause in a member's profile | She is on leave until May and still gets them.
b Test mail goes to all members of the group | The button says "send a test to me".
b Plain-text part of the mail is empty | Shows nothing in a text-only reader.
""",
    "login": """
c Password reset link works more than once | I opened yesterday's link again and could set another password.
b Login with a capital letter in the address fails | The account was made with Anna.K@, and only exactly that works.
b Signed out after every restart of the server | Even with "remember me" set.
f Sign in with a link sent by mail | Our older members will not remember a password.
b Error message tells whether an address is known | It should say the same either way.
b Session ends in the middle of writing a long announcement | All text is lost on saving.
w Show when I last signed in | A small line would do.
b Invitation link says expired on the first day | It was sent ten minutes before.
u Account is locked for everybody behind our hall's connection | One forgotten password and nobody at the desk gets in.
f Second factor for coordinators | They can see addresses and telephone numbers of everybody.
""",
    "mobile": """
b Save button is under the keyboard | On a small phone there is no way to reach it but turning the phone.
b Long names push the swap button off the screen | Anything over about twenty letters.
b Pull to refresh reloads the login page | And then one is signed out.
f Large type that does not break the rota | At 150% the days overlap.
b Date picker opens behind the menu | Only in portrait.
b Tapping a shift opens the one below | It is off by one row when the announcement bar is shown.
w Dark colours at night | We look at it at five in the morning.
b Telephone numbers cannot be tapped | They used to be links.
b The menu stays open after choosing | It covers half of the rota.
b Photos taken upright are shown lying | They are right in the gallery of the phone.
""",
    "search": """
b Search for a name with an apostrophe finds nothing | O'Leary is a member, I am looking at her card.
b Searching finds people who left | They should be greyed or at the end.
b Results change their order when I go to page two | I see some people twice and some never.
f Search in announcements | We know that somebody wrote about the key, but when?
b Search is slow with one letter | Each letter I type is a search of its own, and the first takes seconds.
b Accents matter in search | "Jose" does not find José.
w Remember my last five searches | I look for the same few people.
b Clearing the field does not bring back the list | One has to reload.
b Search counts more results than it lists | It says 14, I count 12.
b Filter by team is lost when sorting | The column heads seem to start anew.
""",
    "printing": """
b The last column is cut off on paper | Sunday is missing on A4, upright and across.
b Prints white text on white | Shifts with a dark colour cannot be read in black and white.
f Print one page per person | For those without a phone we hang it on the board.
b Page numbers start at 0 | A small thing, but people ask.
b Header repeats in the middle of the page | Where the browser breaks the page it is printed over a row.
b Printing a month prints twelve blank pages | Then the month.
w Leave out telephone numbers on paper | Not everybody should see them in the hallway.
b Symbols for roles are squares in print | They are fine on the screen.
b Print view shows times in another zone | Everything is an hour early, on paper only.
f Room for notes under each day | We draw lines by hand now.
""",
    "api": """
b Creating a shift by the interface ignores the team | It always lands in the first one.
b Answer to a failed request is a page, not JSON | My script cannot do anything with it.
b Paging returns the last row again | Row 50 is also the first of the next page.
f A token that can only read | The display in our hall has more rights than I like.
b Deleting twice gives an error 500 | The second time should be a 404.
b Times come without a zone | Mine was two hours off for a while before I noticed.
b Rate limit counts requests of all tokens together | Two scripts block each other.
w Say in the answer how many rows there are | I page until nothing comes.
b Empty list is null when there are no shifts | It is [] everywhere else.
f Tell another system when a shift changes | I ask every five minutes now, which is silly.
""",
    "backup": """
c Restore leaves out attached files | All rows are there, all files are gone. We found out the hard way.
b Backup runs at noon instead of midnight | Since the server moved. It is set to 00:00.
b Old backups are never removed | The disk was full on Sunday.
f Check a backup by restoring it elsewhere | A button and a green tick would let me sleep.
b Backup fails quietly when the share is not there | The page still says "last backup: today".
b Size of the backup is shown as -1 MB | For anything over 2 GB.
w Keep one backup of each month | And let the daily ones go.
b Restoring asks for the language three times | And then does not keep it.
b Download of a backup breaks off at 100 MB | The file cannot be opened.
b Two backups at once damage each other | Somebody pressed the button while the nightly one ran.
""",
    "permissions": """
c Former members can still open shared files | The link works without any login at all.
u Helpers see telephone numbers in the export | They are hidden on the page.
b A coordinator of one team can edit another's rota | Only if the address of the page is typed in.
f A role that may look and not touch | For the board, and for the auditors.
b New role has all rights until it is saved again | I noticed by chance.
b Removing somebody from a team leaves them in its chat | They write, we answer, it is awkward.
b Guests can see who declined | They should see only who comes.
w See the page as a member sees it | I have a second account for that.
b History shows fields that I may not see | Private notes on a person appear in full under "changes".
b Team leader cannot approve their own team's hours | The button is there and does nothing.
""",
    "translation": """
b German page says "Schicht hinzufügen" twice | The second should be "Schicht entfernen".
b Polish plural is wrong for 5 and more | "5 zmiany" should be "5 zmian".
b Date in French mails is in English | "le 3 March".
f Welsh | I would do the work if somebody shows me how.
b Right-to-left pages have the menu on the wrong side | And the arrows point away from each other.
b Finnish error messages are cut off | The box is made for shorter words.
b Language of a mail is that of the sender | It should be that of whoever reads it.
w Let each group call a shift what it likes | We say "duty", our neighbours say "watch".
b Button texts overlap in Dutch | "Beschikbaarheid bijwerken" does not fit.
b Currency is always shown in euro | Our travel costs are in crowns.
""",
    "timezone": """
u Shifts on the night of the clock change are an hour too long | The night shift of 29 March counts nine hours.
b A member abroad sees tomorrow's shift as today's | She lives twelve hours ahead.
b Reminders go out an hour late in summer | Since the last Sunday of March.
b The time zone of a group cannot be changed back | It is greyed out once saved.
f Show the zone beside the time where it is not mine | We have helpers in three countries on the phone line.
b Start and end of a shift are in different zones | In the confirmation mail only.
b Hours worked before midnight count for the next day | In the yearly statement.
b Sunset times are those of another city | We use them for the patrols.
""",
    "reports": """
b Hours of a swapped shift count for both | Whoever gave it away still has it in the statement.
b Percentages add up to 101 | In the yearly report, in the share of teams.
f Compare with last year | The council asks for it every spring.
b A person in two teams is counted twice | Total of volunteers is 212, we have 187.
b The chart cannot be read by anybody colour-blind | Red and green of the same brightness.
b Report for February has thirty days | The last two are empty.
w Send me the report on the first of each month | I forget it otherwise.
b Average leaves out people with no hours | It should not, that is the point of it.
b Sorting by hours puts 9 after 80 | As if they were words.
b Donations are rounded to whole euros in the sum only | 12.40 + 7.40 shows as 19 below the line.
""",
    "notices": """
b An announcement can be read before its date | It is not listed, but the link works.
b Pinned notices are below the others | On the first page only.
f Ask for a confirmation of reading | For the safety instructions we need to know.
b Comments appear in the order of the names | Not of when they were written.
b Attachments over 5 MB vanish without a message | The notice is saved without them.
w Draft that two people can write | We send texts to and fro by mail.
b Editing a notice sends it again | To all 180 people. It was a comma.
b Links in notices are not links | They have to be copied by hand.
b A deleted notice is still on the start page | Until the next morning.
b The counter of unread notices never gets to zero | It stays at 1 for me and two others.
""",
}
