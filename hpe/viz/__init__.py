"""Pictures of hands, joints and predictions."""
