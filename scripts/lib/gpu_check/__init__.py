"""What scripts/check_gpu is made of. Python 3.8, standard library only: it must run where nothing can be installed."""
