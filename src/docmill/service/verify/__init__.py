"""``verify``: holds all that a home has against each other, and mends it by the means that there are already.

The checks (``records``, ``outputs``, ``vectors``, ``rows``, ``folders``) read, and write what they find into one
:class:`~docmill.service.verify.diagnosis.Diagnosis`: findings for people, and the remedies for ``repairing``, which
marks what is wrong as not done, so that the same windows as always do it again.
"""
