"""MongoDB's error codes, by what they are about: the server, or the data that it was given.

The groups are the server's own categories of its codes, if it has one. A code that is in neither
list here may be about either (`classification.classify`).
"""

from __future__ import annotations

from typing import Final

_NETWORK: Final = {
    6,  # HostUnreachable
    7,  # HostNotFound
    89,  # NetworkTimeout
    140,  # InvalidSSLConfiguration
    141,  # SSLHandshakeFailed
    145,  # PooledConnectionsDropped
    190,  # MasterSlaveConnectionFailure
    202,  # NetworkInterfaceExceededTimeLimit
    230,  # DNSHostNotFound
    231,  # DNSProtocolError
    317,  # ConnectionPoolExpired
    384,  # ConnectionError
    398,  # StreamTerminated
    407,  # PooledConnectionAcquisitionExceededTimeLimit
    9001,  # SocketException
}
_INTERRUPTED: Final = {
    24,  # LockTimeout
    50,  # MaxTimeMSExpired
    90,  # CallbackCanceled
    91,  # ShutdownInProgress
    262,  # ExceededTimeLimit
    279,  # ClientDisconnect
    281,  # TransactionCoordinatorSteppingDown
    282,  # TransactionCoordinatorReachedAbortDecision
    290,  # TransactionExceededLifetimeLimitSeconds
    310,  # PeriodicJobIsStopped
    312,  # OperationIsKilledAndDelisted
    333,  # ServiceExecutorInShutdown
    355,  # InterruptedDueToStorageChange
    372,  # CloseConnectionForShutdownCommand
    453,  # InterruptedDueToReshardingCriticalSection
    11600,  # InterruptedAtShutdown
    11601,  # Interrupted
    11602,  # InterruptedDueToReplStateChange
    46841,  # ClientMarkedKilled
    91331,  # RetriableRemoteCommandFailure
    10045600,  # InterruptedDueToFCVChange
}
_MEMBERS: Final = {
    71,  # ReplicaSetNotFound
    74,  # NodeNotFound
    93,  # InvalidReplicaSetConfig
    94,  # NotYetInitialized
    95,  # NotSecondary
    109,  # ConfigurationInProgress
    133,  # FailedToSatisfyReadPreference
    134,  # ReadConcernMajorityNotAvailableYet
    135,  # StaleTerm
    148,  # ReadConcernMajorityNotEnabled
    164,  # InitialSyncActive
    187,  # LinearizableReadConcernError
    189,  # PrimarySteppedDown
    209,  # StaleClusterTime
    211,  # KeyNotFound: the key with which a member signs its times
    216,  # ElectionInProgress
    303,  # SplitHorizonChange
    308,  # CurrentConfigNotCommittedYet
    10058,  # LegacyNotPrimary
    10107,  # NotWritablePrimary
    13435,  # NotPrimaryNoSecondaryOk
    13436,  # NotPrimaryOrSecondary
}
_WRITE_CONCERN: Final = {
    64,  # WriteConcernTimeout
    75,  # WriteConcernLegacyOK
    79,  # UnknownReplWriteConcern
    100,  # UnsatisfiableWriteConcern
}
_TRANSACTION_ENDED: Final = {
    112,  # WriteConflict
    117,  # ConflictingOperationInProgress
    206,  # NoSuchSession
    217,  # IncompleteTransactionHistory
    225,  # TransactionTooOld
    239,  # SnapshotTooOld
    244,  # TransactionAborted
    246,  # SnapshotUnavailable
    250,  # StaleChunkHistory
    251,  # NoSuchTransaction
    267,  # PreparedTransactionInProgress
    272,  # MigrationConflict
    356,  # TxnRetryCounterTooOld
    358,  # InternalTransactionNotSupported
    363,  # RetryableTransactionInProgress
}
_CURSOR_ENDED: Final = {
    43,  # CursorNotFound: left alone too long
    96,  # OperationFailed
    136,  # CappedPositionLost
    143,  # CursorInUse
    175,  # QueryPlanKilled
    237,  # CursorKilled
    314,  # ObjectIsBusy
}
_CONFLICTING_OPERATIONS: Final = {
    46,  # LockBusy
    48,  # NamespaceExists: another transaction created the collection
    107,  # LockFailed
    208,  # TooManyLocks
    215,  # DatabaseDropPending
    221,  # IndexModified
    276,  # IndexBuildAborted
    285,  # IndexBuildAlreadyInProgress
    412,  # UpdatesStillPending
    12586,  # BackgroundOperationInProgressForDatabase
    12587,  # BackgroundOperationInProgressForNamespace
    50915,  # BackupCursorOpenConflictWithCheckpoint
}
_SHARDS: Final = {
    63,  # StaleShardVersion
    70,  # ShardNotFound
    149,  # NoConfigPrimary
    150,  # StaleEpoch
    249,  # StaleDbVersion
    406,  # MigrationBlockingOperationCoordinatorCleaningUp
    13388,  # StaleConfig
    56846,  # ConfigServerUnreachable
}
_OUT_OF_RESOURCES: Final = {
    37,  # FileRenameFailed
    38,  # FileNotOpen
    39,  # FileStreamFailed
    42,  # LogWriteFailed
    176,  # FileOpenFailed
    261,  # TooManyLogicalSessions
    264,  # TooManyFilesOpen
    301,  # DataCorruptionDetected
    365,  # TemporarilyUnavailable: the storage engine's cache is full
    371,  # UserWritesBlocked
    402,  # ResourceExhausted
    433,  # AdmissionQueueOverflow
    449,  # RateLimitExceeded
    450,  # PooledConnectionAcquisitionRejected
    462,  # IngressRequestRateLimitExceeded
    8000,  # hosted MongoDB: its own limits, such as the storage quota
    14031,  # OutOfDiskSpace
}
_NO_PERMISSION: Final = {
    11,  # UserNotFound
    13,  # Unauthorized
    18,  # AuthenticationFailed
    31,  # RoleNotFound
    33,  # PrivilegeNotFound
    214,  # AuthenticationRestrictionUnmet
    334,  # MechanismUnavailable
    337,  # AuthenticationAbandoned
    390,  # InvalidSignature
    391,  # ReauthenticationRequired
    392,  # InvalidJWT
    404,  # LDAPRoleAcquisitionError
}
_NO_REPLICA_SET: Final = {
    20,  # IllegalOperation: transactions without a replica set
    76,  # NoReplicationEnabled
    123,  # NotAReplicaSet
    263,  # OperationNotSupportedInTransaction
}

OF_THE_SERVER: Final = frozenset(
    _NETWORK
    | _INTERRUPTED
    | _MEMBERS
    | _WRITE_CONCERN
    | _TRANSACTION_ENDED
    | _CURSOR_ENDED
    | _CONFLICTING_OPERATIONS
    | _SHARDS
    | _OUT_OF_RESOURCES
    | _NO_PERMISSION
    | _NO_REPLICA_SET
)
"""Codes of failures that pass by themselves, or once an operator has repaired the server."""

OF_THE_DATA: Final = frozenset(
    {
        2,  # BadValue
        9,  # FailedToParse
        10,  # CannotMutateObject
        14,  # TypeMismatch
        15,  # Overflow
        16,  # InvalidLength
        22,  # InvalidBSON
        28,  # PathNotViable
        29,  # NonExistentPath
        30,  # InvalidPath
        34,  # CannotBackfillArray
        40,  # ConflictingUpdateOperators
        52,  # DollarPrefixedFieldName
        53,  # InvalidIdField
        54,  # NotSingleValueField
        55,  # InvalidDBRef
        56,  # EmptyFieldName
        57,  # DottedFieldName
        66,  # ImmutableField
        73,  # InvalidNamespace
        116,  # DocTooLargeForCapped
        121,  # DocumentValidationFailure
        159,  # DurationOverflow
        171,  # CannotIndexParallelArrays
        201,  # CannotBuildIndexKeys
        241,  # ConversionFailure
        257,  # TransactionTooLarge
        357,  # InvalidBSONType
        378,  # NonConformantBSON
        395,  # TruncatedSerialization
        10003,  # CannotGrowDocumentInCappedNamespace
        10334,  # BSONObjectTooLarge
        11000,  # DuplicateKey
        17280,  # KeyTooLong
        17419,  # an update would make the document larger than 16 MB
        17420,  # likewise
        40413,  # IDLDuplicateField
        40414,  # IDLFailedToParse
        40415,  # IDLUnknownField
    }
)
"""Codes of failures that a retry would meet again: the query or the document is wrong."""
