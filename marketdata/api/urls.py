"""Resource paths of market data, relative to the API's root."""

from django.urls import path

from marketdata.api import views

urlpatterns = [
    path("instruments", views.Instruments.as_view(), name="instruments"),
    path("datasets", views.Datasets.as_view(), name="datasets"),
    path("datasets/<uuid:dataset_id>", views.Dataset.as_view(), name="dataset"),
    path("datasets/<uuid:dataset_id>/bars", views.DatasetBars.as_view(), name="dataset-bars"),
    path("datasets/<uuid:dataset_id>/studies", views.DatasetStudies.as_view(), name="dataset-studies"),
    path("studies", views.Studies.as_view(), name="studies"),
    path("studies/<uuid:study_id>", views.Study.as_view(), name="study"),
]
