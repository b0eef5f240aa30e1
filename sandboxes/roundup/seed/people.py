"""Who writes in the tracker of Heron, a program with which volunteer groups plan their rotas."""

DOMAIN = "heron.example"

DEVELOPERS = (
    # username, name, time zone
    ("ingrid", "Ingrid Aalto", "Europe/Helsinki"),
    ("tomasz", "Tomasz Wilk", "Europe/Warsaw"),
    ("priya", "Priya Raman", "Asia/Kolkata"),
    ("declan", "Declan Foyle", "Europe/Dublin"),
    ("mei", "Mei Tanaka", "Asia/Tokyo"),
    ("oluwaseun", "Oluwaseun Adeyemi", "Africa/Lagos"),
)

REPORTERS = (
    # username, name, group
    ("bkowalczyk", "Beata Kowalczyk", "Riverside Food Bank"),
    ("hannah.m", "Hannah Merriweather", "Oakfield Parish"),
    ("jlindqvist", "Jonas Lindqvist", "Sjöräddning Nord"),
    ("carmen", "Carmen Ibáñez", "Banco de Tiempo Lavapiés"),
    ("rfairley", "Ruth Fairley", "Hillside Hospice"),
    ("dmorel", "Damien Morel", "Secours Vallée"),
    ("aoife", "Aoife Brannigan", "Ballina Lifeboat"),
    ("kwame", "Kwame Boateng", "Tema Reading Club"),
    ("sgruber", "Sabine Gruber", "Tafel Graz"),
    ("leonhardt", "Leonhardt Vogel", "Bergwacht Allgäu"),
    ("noor", "Noor Haddad", "Open Kitchen Rotterdam"),
    ("petra.s", "Petra Svobodová", "Hasiči Kolín"),
    ("whitaker", "George Whitaker", "Heritage Railway Trust"),
    ("yuki", "Yuki Mori", "Shimokita Library Friends"),
    ("fatima", "Fatima El Idrissi", "Maison des Jeunes"),
    ("lachlan", "Lachlan Reid", "Surf Patrol Torquay"),
    ("amalia", "Amália Duarte", "Refood Coimbra"),
    ("nils", "Nils Bergström", "Scoutkåren Ekorren"),
    ("oksana", "Oksana Melnyk", "Shelter Lviv"),
    ("harper", "Harper Quinn", "Crisis Line Halifax"),
)
