"""What a deployment of django-oscar must bring itself: settings, urls, mail, pictures, search."""
